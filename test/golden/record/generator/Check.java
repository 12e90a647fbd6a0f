import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.DefaultRecordBatch;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MutableRecordBatch;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.utils.Utils;

/** Reads files of record batches by Kafka's classes and prints what is in them: Check.java FILE... */
public class Check {
    private static final int VALUE_SHOWN_MAX = 64;

    public static void main(String[] args) throws Exception {
        for (String file : args) {
            String batches = describe(ByteBuffer.wrap(Files.readAllBytes(Path.of(file))), true);
            System.out.println("{\"name\":\"" + Path.of(file).getFileName() + "\",\"batches\":" + batches + "}");
        }
    }

    static String describe(ByteBuffer buffer, boolean verify) throws Exception {
        int size = buffer.remaining();
        List<String> batches = new ArrayList<>();
        int seen = 0;
        for (MutableRecordBatch batch : MemoryRecords.readableRecords(buffer).batches()) {
            if (verify) batch.ensureValid();
            seen += batch.sizeInBytes();
            batches.add(describe(batch));
        }
        if (seen != size) throw new IllegalStateException(seen + " of " + size + " bytes are batches");
        return "[" + String.join(",", batches) + "]";
    }

    private static String describe(MutableRecordBatch batch) throws Exception {
        List<String> records = new ArrayList<>();
        for (Record record : batch) {
            record.ensureValid();
            records.add(describe(record));
        }
        return "\n {\"baseOffset\":" + batch.baseOffset() + ",\"lastOffset\":" + batch.lastOffset()
            + ",\"size\":" + batch.sizeInBytes() + ",\"leaderEpoch\":" + batch.partitionLeaderEpoch()
            + ",\"crc\":" + batch.checksum() + ",\"compression\":\"" + batch.compressionType().name + "\""
            + ",\"timestampType\":\"" + batch.timestampType().name + "\""
            + ",\"isTransactional\":" + batch.isTransactional() + ",\"isControl\":" + batch.isControlBatch()
            + ",\"deleteHorizon\":" + (batch.deleteHorizonMs().isPresent() ? batch.deleteHorizonMs().getAsLong() : "null")
            + ",\"baseTimestamp\":\"" + ((DefaultRecordBatch) batch).baseTimestamp() + "\""
            + ",\"maxTimestamp\":\"" + batch.maxTimestamp() + "\",\"producerId\":\"" + batch.producerId() + "\""
            + ",\"producerEpoch\":" + batch.producerEpoch() + ",\"baseSequence\":" + batch.baseSequence()
            + ",\"lastSequence\":" + batch.lastSequence() + ",\"count\":" + batch.countOrNull()
            + ",\"records\":[" + String.join(",", records) + "]}";
    }

    private static String describe(Record record) throws Exception {
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers())
            headers.add("[" + hex(header.key().getBytes("UTF-8")) + "," + hex(header.value()) + "]");
        return "\n  {\"offset\":" + record.offset() + ",\"timestamp\":\"" + record.timestamp() + "\",\"sequence\":"
            + record.sequence() + ",\"key\":" + hex(bytes(record.key())) + ",\"value\":" + hex(bytes(record.value()))
            + ",\"headers\":[" + String.join(",", headers) + "]}";
    }

    private static byte[] bytes(ByteBuffer buffer) {
        return buffer == null ? null : Utils.toArray(buffer);
    }

    /** Hexadecimal; a long one as its size and SHA-256. */
    private static String hex(byte[] bytes) throws Exception {
        if (bytes == null) return "null";
        if (bytes.length <= VALUE_SHOWN_MAX) return "\"" + HexFormat.of().formatHex(bytes) + "\"";
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes);
        return "\"" + bytes.length + ":" + HexFormat.of().formatHex(digest) + "\"";
    }
}
