import time, threading
from tests.uws.database import *
from uws.cleaning import Cleaner
from vo.core.files import FileStore
def test_a(database, tmp_path):
    db=database
    t=time.perf_counter()
    for i in range(50): db.new()
    print("\ncreate", (time.perf_counter()-t)/50)
    t=time.perf_counter()
    jobs=[db.lease() for i in range(50)]
    print("lease", (time.perf_counter()-t)/50)
    t=time.perf_counter()
    for j in jobs: assert db.queue.complete(j,[stored()])
    print("complete", (time.perf_counter()-t)/50)
    # 1000 accounts
    db.run("TRUNCATE uws.jobs")
    db.run("INSERT INTO uws.jobs (job_id, service, account, execution_duration, destruction) SELECT 'x'||i, 'tap', 'a'||(i%2000), 60, now()+interval '1 day' FROM generate_series(1,20000) i")
    t=time.perf_counter()
    db.run("UPDATE uws.jobs SET phase='QUEUED'")
    print("queue 20000", time.perf_counter()-t)
    db.run("ANALYZE uws.jobs")
    t=time.perf_counter()
    for i in range(20): db.lease()
    print("lease with 2000 accounts", (time.perf_counter()-t)/20)
    db.run("TRUNCATE uws.jobs")
    t=time.perf_counter()
    db.run("""INSERT INTO uws.jobs (job_id, service, account, phase, execution_duration, destruction, parameters, stored_bytes)
     SELECT 'x'||i, 'tap', 'a'||(i%50), 'COMPLETED', 60, now()+interval '1 day', jsonb_build_array(jsonb_build_array('QUERY', repeat('SELECT x', 60))), 1 FROM generate_series(1,100000) i""")
    print("insert 100000", time.perf_counter()-t)
    db.run("INSERT INTO uws.accounts SELECT 'a'||i, 5, 5 FROM generate_series(0,4000) i ON CONFLICT DO NOTHING")
    db.run("VACUUM") if False else None
    db.run("ANALYZE uws.jobs")
    db.run("SELECT setval('uws.turns', 5000)")
    for r in db.run("""EXPLAIN ANALYZE DELETE FROM uws.accounts AS a
                    WHERE NOT EXISTS (SELECT FROM uws.jobs AS j WHERE j.account = a.account)
                      AND a.last_turn < (SELECT last_value FROM uws.turns) - 1000"""): print(r[0])
    c=Cleaner(db.engine, FileStore(tmp_path), archive_time=0)
    for i in range(3):
        t=time.perf_counter(); c.clean(); print("clean", time.perf_counter()-t)
    t=time.perf_counter()
    for i in range(50): db.new(account="a7")
    print("create", (time.perf_counter()-t)/50)
    t=time.perf_counter()
    jobs=[db.lease() for i in range(50)]
    print("lease", (time.perf_counter()-t)/50)
    t=time.perf_counter()
    for i in range(50): db.store.references("tap", "a7", __import__("uws.models",fromlist=["x"]).JobFilter(), limit=100)
    print("list", (time.perf_counter()-t)/50)
    t=time.perf_counter()
    for i in range(50): db.queue.statistics()
    print("statistics", (time.perf_counter()-t)/50)
    t=time.perf_counter()
    db.run("UPDATE uws.jobs SET destruction=now()-interval '1 second' WHERE substr(job_id, 2)::int <= 2000 and job_id like 'x%'")
    t=time.perf_counter()
    n=0
    while db.value("SELECT count(*) FROM uws.jobs WHERE destruction < now()"):
        c.clean(); n+=1
    print("2000 due", time.perf_counter()-t, n)
