import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.BaseRecords;
import org.apache.kafka.common.record.MemoryRecords;

/** Writes facts.json and the golden frames; see README.md beside this file. */
public final class Golden {
    /** The APIs that Millrace has a schema for, or will have. */
    private static final int[] KEYS = {
        0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
        28, 32, 33, 34, 35, 36, 37, 42, 43, 44, 45, 46, 47, 48, 49, 50, 55, 57, 60, 61, 65, 66, 68, 69,
        71, 72, 74, 75
    };
    /** Keys (by their kinds) and values of the records that coordinators keep. */
    private static final String[][] STORED = {
        {"group", "OffsetCommit", "1"},
        {"group", "GroupMetadata", "2"},
        {"group", "ConsumerGroupMetadata", "3"},
        {"group", "ConsumerGroupMemberMetadata", "5"},
        {"group", "ConsumerGroupTargetAssignmentMetadata", "6"},
        {"group", "ConsumerGroupTargetAssignmentMember", "7"},
        {"group", "ConsumerGroupCurrentMemberAssignment", "8"},
        {"group", "ConsumerGroupRegularExpression", "16"},
        {"transaction", "TransactionLog", "0"}
    };
    private static final int FRAMES_PER_VERSION = 3;
    private static final long SAFE_MAX = (1L << 53) - 1;

    private static final long SEED = 20260210;

    private Random random;

    public static void main(String[] arguments) throws Exception {
        new Golden().run(Path.of(arguments[0]));
    }

    private void run(Path directory) throws Exception {
        StringBuilder facts = new StringBuilder("{\n\"kafka\": \"4.2.0\",\n\"errors\": [\n");
        List<String> errors = new ArrayList<>();
        for (Errors error : Errors.values()) {
            boolean retriable = error.exception() instanceof RetriableException;
            errors.add("[" + error.code() + ", " + quote(error.name()) + ", " + retriable + "]");
        }
        facts.append(String.join(",\n", errors)).append("\n],\n\"apis\": [\n");
        List<String> apis = new ArrayList<>();
        for (int key : KEYS) apis.add(apiFacts(ApiKeys.forId(key)));
        facts.append(String.join(",\n", apis)).append("\n]\n}\n");
        Files.writeString(directory.resolve("facts.json"), facts);
        for (int key : KEYS) writeFrames(directory, ApiKeys.forId(key));
        for (String[] stored : STORED) writeStored(directory, stored);
    }

    // Facts.

    private String apiFacts(ApiKeys api) throws Exception {
        short min = api.oldestVersion();
        short max = api.latestVersion(false);
        List<String> requestHeaders = new ArrayList<>();
        List<String> responseHeaders = new ArrayList<>();
        for (short v = min; v <= max; v++) {
            requestHeaders.add(String.valueOf(api.requestHeaderVersion(v)));
            responseHeaders.add(String.valueOf(api.responseHeaderVersion(v)));
        }
        return "{ \"key\": " + api.id + ", \"name\": " + quote(api.name) + ", \"min\": " + min
            + ", \"max\": " + max + ",\n\"requestHeaders\": " + requestHeaders
            + ", \"responseHeaders\": " + responseHeaders
            + ",\n\"request\": " + messageFacts(api.messageType.newRequest(), min, max)
            + ",\n\"response\": " + messageFacts(api.messageType.newResponse(), min, max) + " }";
    }

    private String messageFacts(ApiMessage message, short min, short max) throws Exception {
        Schema[] schemas = (Schema[]) message.getClass().getField("SCHEMAS").get(null);
        List<String> ranges = new ArrayList<>();
        String previous = null;
        int from = min;
        for (int version = min; version <= max + 1; version++) {
            String lines = null;
            if (version <= max) {
                List<String> list = new ArrayList<>();
                structFacts("", schemas[version], message, list);
                lines = "[" + String.join(", ", list) + "]";
            }
            if (previous != null && !previous.equals(lines)) {
                ranges.add("\"" + from + "-" + (version - 1) + "\": " + previous);
                from = version;
            }
            previous = lines;
        }
        return "{\n" + String.join(",\n", ranges) + " }";
    }

    private void structFacts(String prefix, Schema schema, Object defaults, List<String> lines)
        throws Exception {
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                lines.add(quote(prefix + "(tagged section)"));
                for (Map.Entry<Integer, org.apache.kafka.common.protocol.types.Field> entry
                    : new TreeMap<>(tagged.fields()).entrySet()) {
                    fieldFacts(prefix, "tag " + entry.getKey() + " ", entry.getValue(), defaults,
                        lines);
                }
            } else {
                fieldFacts(prefix, "", bound.def, defaults, lines);
            }
        }
    }

    private void fieldFacts(String prefix, String tag,
        org.apache.kafka.common.protocol.types.Field field, Object defaults, List<String> lines)
        throws Exception {
        Field java = javaField(defaults.getClass(), field.name);
        String path = prefix + java.getName();
        Type type = field.type;
        Type element = type.arrayElementType().orElse(null);
        String name;
        if (element != null) {
            name = (type.isNullable() ? "NULLABLE_" : "") + arrayName(type) + "("
                + (element instanceof Schema ? "STRUCT" : element.toString()) + ")";
        } else {
            name = type instanceof Schema ? "STRUCT" : type.toString();
        }
        Object value = java.get(defaults);
        String line = path + " " + tag + name;
        if (!(type instanceof Schema)) line += " = " + defaultText(value);
        lines.add(quote(line));
        if (type instanceof Schema schema) {
            structFacts(path + ".", schema, make(java.getType()), lines);
        } else if (element instanceof Schema schema) {
            structFacts(path + ".", schema, make(elementClass(java)), lines);
        }
    }

    private static String arrayName(Type type) {
        return type.toString().startsWith("COMPACT_ARRAY") ? "COMPACT_ARRAY" : "ARRAY";
    }

    private static String defaultText(Object value) {
        if (value == null) return "null";
        if (value instanceof Collection) return "[]";
        if (value instanceof byte[] || value instanceof ByteBuffer) return "empty";
        return String.valueOf(value);
    }

    // Frames.

    private void writeFrames(Path directory, ApiKeys api) throws Exception {
        List<String> lines = new ArrayList<>();
        // For each API its own, so that a new one changes no other.
        random = new Random(SEED + api.id);
        for (short v = api.oldestVersion(); v <= api.latestVersion(false); v++) {
            for (boolean request : new boolean[] {true, false}) {
                for (int i = 0; i < FRAMES_PER_VERSION; i++) lines.add(frame(api, v, request, i));
            }
        }
        String name = api.name.replaceAll("(?<!^)([A-Z])", "-$1").toLowerCase();
        Path file = directory.resolve(String.format("%02d-%s.json", api.id, name));
        Files.writeString(file, "[\n" + String.join(",\n", lines) + "\n]\n");
    }

    /** The first frame of a version has all fields at their defaults. */
    private String frame(ApiKeys api, short version, boolean request, int index) throws Exception {
        ApiMessage body = request ? api.messageType.newRequest() : api.messageType.newResponse();
        Schema[] schemas = (Schema[]) body.getClass().getField("SCHEMAS").get(null);
        int correlationId = random.nextInt();
        String clientId = index == 1 ? null : text();
        ApiMessage header;
        short headerVersion;
        if (request) {
            header = new RequestHeaderData().setRequestApiKey(api.id).setRequestApiVersion(version)
                .setCorrelationId(correlationId).setClientId(clientId);
            headerVersion = api.requestHeaderVersion(version);
        } else {
            header = new ResponseHeaderData().setCorrelationId(correlationId);
            headerVersion = api.responseHeaderVersion(version);
        }
        String values = fill(body, schemas[version], index > 0);
        return "{ \"version\": " + version + ", \"request\": " + request
            + ", \"correlationId\": " + correlationId
            + (request ? ", \"clientId\": " + (clientId == null ? "null" : quote(clientId)) : "")
            + ",\n\"body\": " + values
            + ",\n\"hex\": \"" + hex(encode(header, headerVersion)) + hex(encode(body, version))
            + "\" }";
    }

    private static ByteBuffer encode(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining()) throw new IllegalStateException("size and write disagree");
        return buffer.flip();
    }

    private void writeStored(Path directory, String[] stored) throws Exception {
        String name = stored[1];
        random = new Random(SEED + name.hashCode());
        List<String> lines = new ArrayList<>();
        for (String part : new String[] {"Key", "Value"}) {
            String type = "org.apache.kafka.coordinator." + stored[0] + ".generated." + name + part;
            Class<?> message = Class.forName(type);
            Schema[] schemas = (Schema[]) message.getField("SCHEMAS").get(null);
            for (short v = 0; v < schemas.length; v++) {
                if (schemas[v] == null) continue;
                // What is written before a key is its kind, before a value its version.
                int first = part.equals("Key") ? Integer.parseInt(stored[2]) : v;
                for (int i = 0; i < FRAMES_PER_VERSION; i++) {
                    Message body = (Message) make(message);
                    String values = fill(body, schemas[v], i > 0);
                    lines.add("{ \"part\": " + quote(part) + ", \"version\": " + first
                        + ",\n\"body\": " + values
                        + ",\n\"hex\": \"" + String.format("%04x", first) + hex(encode(body, v))
                        + "\" }");
                }
            }
        }
        String file = name.replaceAll("(?<!^)([A-Z])", "-$1").toLowerCase();
        Files.writeString(directory.resolve("stored-" + file + ".json"),
            "[\n" + String.join(",\n", lines) + "\n]\n");
    }

    /** Sets the fields of one struct; answers its JSON. */
    private String fill(Object struct, Schema schema, boolean vary) throws Exception {
        List<String> properties = new ArrayList<>();
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                for (org.apache.kafka.common.protocol.types.Field field : tagged.fields().values()) {
                    properties.add(property(struct, field, vary && random.nextInt(3) > 0));
                }
            } else {
                properties.add(property(struct, bound.def, vary));
            }
        }
        return "{" + String.join(", ", properties) + "}";
    }

    private String property(Object struct, org.apache.kafka.common.protocol.types.Field field,
        boolean vary) throws Exception {
        Field java = javaField(struct.getClass(), field.name);
        Type type = field.type;
        String json;
        if (type instanceof Schema schema) {
            Object value = java.get(struct);
            // A schema does not show whether a struct may be null; its default does.
            boolean nullable = value == null;
            if (nullable && vary && random.nextBoolean()) {
                value = make(java.getType());
                java.set(struct, value);
            }
            json = value == null ? "null" : fill(value, schema, vary);
        } else if (type.arrayElementType().isPresent()) {
            json = array(struct, java, type, vary);
        } else {
            if (vary) java.set(struct, scalar(type, java.getType()));
            json = scalarJson(java.get(struct));
        }
        return quote(java.getName()) + ": " + json;
    }

    @SuppressWarnings("unchecked")
    private String array(Object struct, Field java, Type type, boolean vary) throws Exception {
        Type element = type.arrayElementType().get();
        if (vary) {
            if (type.isNullable() && random.nextInt(4) == 0) {
                java.set(struct, null);
                return "null";
            }
            int count = random.nextInt(8) == 0 ? 0 : 1 + random.nextInt(2);
            Collection<Object> values = java.getType() == List.class
                ? new ArrayList<>()
                : (Collection<Object>) make(java.getType());
            List<String> json = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                if (element instanceof Schema schema) {
                    Object inner = make(elementClass(java));
                    json.add(fill(inner, schema, true));
                    values.add(inner);
                } else {
                    Object value = scalar(element, elementClass(java));
                    json.add(scalarJson(value));
                    values.add(value);
                }
            }
            java.set(struct, values);
            return "[" + String.join(", ", json) + "]";
        }
        return java.get(struct) == null ? "null" : "[]";
    }

    private Object scalar(Type type, Class<?> java) {
        if (type.isNullable() && random.nextInt(4) == 0) return null;
        if (java == boolean.class) return random.nextBoolean();
        if (java == byte.class || java == Byte.class) return (byte) random.nextInt();
        if (java == short.class || java == Short.class) return (short) random.nextInt();
        if (java == int.class || java == Integer.class) {
            if (type == Type.UINT16) return random.nextInt(1 << 16);
            return random.nextInt() >> random.nextInt(32);
        }
        if (java == long.class || java == Long.class) {
            return switch (random.nextInt(8)) {
                case 0 -> -1L;
                case 1 -> SAFE_MAX;
                case 2 -> -SAFE_MAX;
                default -> random.nextLong() >> (11 + random.nextInt(48));
            };
        }
        // Its text is the same in Java and in JavaScript.
        if (java == double.class) return (random.nextInt() >> random.nextInt(32)) / 8.0 + 0.0625;
        if (java == Uuid.class) return new Uuid(random.nextLong(), random.nextLong());
        if (java == String.class) return text();
        if (java == byte[].class) return bytes();
        if (java == ByteBuffer.class) return ByteBuffer.wrap(bytes());
        if (java == BaseRecords.class) return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes()));
        throw new IllegalStateException(type + " " + java);
    }

    private String text() {
        int count = random.nextInt(30) == 0 ? 40 + random.nextInt(100) : random.nextInt(9);
        String letters = "abcdefghijklmnopqrstuvwxyz-_.0123456789";
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < count; i++) {
            switch (random.nextInt(24)) {
                case 0 -> text.append('\u00e9');
                case 1 -> text.append('\u6f22');
                case 2 -> text.append("\ud83d\ude80");
                default -> text.append(letters.charAt(random.nextInt(letters.length())));
            }
        }
        return text.toString();
    }

    private byte[] bytes() {
        byte[] bytes = new byte[random.nextInt(20) == 0 ? 150 : random.nextInt(6)];
        random.nextBytes(bytes);
        return bytes;
    }

    private static String scalarJson(Object value) {
        if (value == null) return "null";
        if (value instanceof Number || value instanceof Boolean) return String.valueOf(value);
        if (value instanceof byte[] bytes) return quote(hex(ByteBuffer.wrap(bytes)));
        if (value instanceof ByteBuffer buffer) return quote(hex(buffer));
        if (value instanceof MemoryRecords records) return quote(hex(records.buffer()));
        return quote(value.toString());
    }

    // Reflection and text.

    /** Schemas have snake_case names, classes camelCase: `enable2_pc`, `enable2Pc`. */
    private static Field javaField(Class<?> type, String schemaName) {
        String plain = schemaName.replace("_", "");
        for (Field field : type.getDeclaredFields()) {
            if (!Modifier.isStatic(field.getModifiers())
                && field.getName().equalsIgnoreCase(plain)) {
                field.setAccessible(true);
                return field;
            }
        }
        throw new IllegalStateException(type + " has no field " + schemaName);
    }

    private static Class<?> elementClass(Field field) {
        ParameterizedType type = (ParameterizedType) (field.getType() == List.class
            ? field.getGenericType()
            : field.getType().getGenericSuperclass());
        return (Class<?>) type.getActualTypeArguments()[0];
    }

    private static Object make(Class<?> type) throws Exception {
        return type.getConstructor().newInstance();
    }

    private static String hex(ByteBuffer buffer) {
        StringBuilder text = new StringBuilder();
        for (int i = buffer.position(); i < buffer.limit(); i++) {
            text.append(String.format("%02x", buffer.get(i)));
        }
        return text.toString();
    }

    /** JSON, ASCII only. */
    private static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') quoted.append('\\').append(c);
            else if (c < ' ' || c > '~') quoted.append(String.format("\\u%04x", (int) c));
            else quoted.append(c);
        }
        return quoted.append('"').toString();
    }
}
