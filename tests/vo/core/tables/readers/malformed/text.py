"""CSV and ECSV."""

from __future__ import annotations

from collections.abc import Iterator

from tests.vo.core.tables.readers.whole import ROWS

from .damage import HARMLESS, flips


def csvs() -> Iterator[tuple[str, bytes]]:
    good = b"a,b,c\n" + b"1,2.5,x\n" * ROWS
    for name, content in {
        "empty": b"",
        "only-blank-lines": b"\n\n\n",
        "only-comments": b"# a\n# b\n",
        "ragged-short": good + b"1,2\n",
        "ragged-long": good + b"1,2,3,4\n",
        "ragged-late": good * 1 + b"1,2.5,x\n" * 100_000 + b"1\n",
        "quote-without-end": good + b'1,2,"x\n' + b"y" * 100,
        "quote-without-end-long": good + b'1,2,"' + b"x\n" * 6_000_000,
        "nul-in-text": good + b"1,2,a\0b\n",
        "nuls": bytes(10_000),
        "latin1": good + "1,2,é\n".encode("latin-1"),
        "utf16": good.decode().encode("utf-16"),
        "hundred-thousand-columns": b",".join(b"c%d" % n for n in range(100_000)) + b"\n",
        "only-commas": b"," * 5_000_000,
        "line-without-end": b"x" * 10_000_000,
        "name-not-utf8": b"a,\xff\n1,2\n",
    }.items():
        yield f"{name}.csv", content
    yield f"number-of-a-million-digits-{HARMLESS}.csv", b"a\n" + b"9" * 1_000_000 + b"\n"
    yield f"formula-{HARMLESS}.csv", b"a\n=cmd|'/c calc'!A1\n"
    for number, content in flips(good, 6, 9):
        yield f"flipped-{number}-{HARMLESS}.csv", content
    yield "ragged.tsv", b"a\tb\n1\t2\t3\n"


def ecsvs() -> Iterator[tuple[str, bytes]]:
    head = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n"
    for name, text in {
        "no-header": "# %ECSV 1.0\n",
        "no-columns": "# %ECSV 1.0\n# ---\na\n1\n",
        "columns-text": "# %ECSV 1.0\n# ---\n# datatype: many\na\n1\n",
        "column-number": head + "# - 5\na\n1\n",
        "column-without-name": head + "# - {datatype: int32}\na\n1\n",
        "unknown-type": head + "# - {name: a, datatype: quaternion}\na\n1\n",
        "other-names": head + "# - {name: a, datatype: int32}\nb\n1\n",
        "bad-number": head + "# - {name: a, datatype: int32}\na\nx\n",
        "bad-array": head + "# - {name: a, datatype: string, subtype: 'int32[2]'}\na\n[1;2]\n",
        "array-length": head + '# - {name: a, datatype: string, subtype: "int32[2]"}\na\n"[1,2,3]"\n',
        "array-deep": head + f'# - {{name: a, datatype: string, subtype: "int32[null]"}}\na\n{"[" * 100_000}\n',
        "delimiter": "# %ECSV 1.0\n# ---\n# delimiter: '\\0'\n# datatype:\n# - {name: a, datatype: int32}\na\n1\n",
        "not-yaml": "# %ECSV 1.0\n# ---\n# {{{: ]\na\n1\n",
        "yaml-deep": f"# %ECSV 1.0\n# ---\n# {'[' * 100_000}\na\n1\n",
        "yaml-deep-blocks": f"# %ECSV 1.0\n# ---\n# {'- ' * 50_000}x\na\n1\n",
        "yaml-aliases": "# %ECSV 1.0\n# ---\n# a: &a [1,1]\n"
        + "".join(f"# {chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(12))
        + "a\n1\n",
        "yaml-merges": "# %ECSV 1.0\n# ---\n# a: &a {k: 1}\n"
        + "".join(f"# {chr(98 + n)}: &{chr(98 + n)} {{<<: [{','.join([f'*{chr(97 + n)}'] * 9)}]}}\n" for n in range(12))
        + "a\n1\n",
        "yaml-itself": "# %ECSV 1.0\n# ---\n# datatype: &a [*a]\na\n1\n",
        "yaml-object": "# %ECSV 1.0\n# ---\n# datatype: !!python/object/apply:os.system ['true']\na\n1\n",
        "yaml-number": "# %ECSV 1.0\n# ---\n# a: " + "9" * 100_000 + "\na\n1\n",
        "yaml-date": "# %ECSV 1.0\n# ---\n# a: 2024-99-99\na\n1\n",
        "hundred-thousand-columns": head + "".join(f"# - {{name: c{n}, datatype: int32}}\n" for n in range(100_000)),
        "header-without-end": "# %ECSV 1.0\n" + "# x\n" * 2_000_000,
        "ragged": head + "# - {name: a, datatype: int32}\n# - {name: b, datatype: int32}\na,b\n1\n",
    }.items():
        yield f"{name}.ecsv", text.encode()
    yield "not-utf8.ecsv", head.encode() + b"# - {name: \xff, datatype: int32}\na\n1\n"
