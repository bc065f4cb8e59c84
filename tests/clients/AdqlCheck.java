import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URL;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import uk.ac.starlink.vo.AdqlValidator;
import uk.ac.starlink.vo.TapCapabilitiesDoc;

/** Checks queries as TOPCAT's query panel does, by the language that a service declares. */
public class AdqlCheck {
    public static void main(String[] args) throws Exception {
        var language = TapCapabilitiesDoc.readCapabilities(new URL(args[0])).getTapCapability().getLanguages()[0];
        List<AdqlValidator.ValidatorTable> tables = new ArrayList<>();
        AdqlValidator validator = null;
        var input = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line; (line = input.readLine()) != null;) {
            String[] words = line.split("\t");
            if (words[0].equals("table")) {
                tables.add(new Table(words));
                continue;
            }
            if (validator == null) {
                validator = AdqlValidator.createValidator(tables.toArray(new AdqlValidator.ValidatorTable[0]), language);
            }
            try {
                validator.validate(words[1]);
                System.out.println("ok");
            } catch (Throwable error) {
                System.out.println(String.valueOf(error.getMessage()).replace('\n', ' '));
            }
        }
    }

    private record Table(String[] words) implements AdqlValidator.ValidatorTable {
        public String getSchemaName() {
            return words[1];
        }

        public String getTableName() {
            return words[1] + "." + words[2];
        }

        public Collection<String> getColumnNames() {
            return Arrays.asList(words).subList(3, words.length);
        }
    }
}
