import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.record.ControlRecordType;
import org.apache.kafka.common.record.DefaultRecordBatch;
import org.apache.kafka.common.record.EndTransactionMarker;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MemoryRecords.RecordFilter;
import org.apache.kafka.common.record.MemoryRecordsBuilder;
import org.apache.kafka.common.record.MutableRecordBatch;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.SimpleRecord;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.utils.BufferSupplier;

/** Writes golden record batches and what Kafka reads from them: java -cp ... Golden.java DIRECTORY */
public class Golden {
    private static final long TIME = 1700000000000L;
    private static final List<String> described = new ArrayList<>();
    private static Path directory;

    public static void main(String[] args) throws Exception {
        directory = Path.of(args[0]);
        write("plain", batch(Compression.NONE, 1234, records(5)));
        write("headers", batch(Compression.NONE, 0, withHeaders()));
        write("nulls", batch(Compression.NONE, 7, nulls()));
        write("gzip", batch(Compression.gzip().build(), 100, records(60)));
        write("snappy", batch(Compression.snappy().build(), 100, records(60)));
        write("lz4", batch(Compression.lz4().build(), 100, records(60)));
        write("zstd", batch(Compression.zstd().build(), 100, records(60)));
        // More than one block of each codec: snappy has 32 KiB, lz4 64 KiB, zstd 128 KiB.
        write("gzip-large", batch(Compression.gzip().build(), 0, large()));
        write("snappy-large", batch(Compression.snappy().build(), 0, large()));
        write("lz4-large", batch(Compression.lz4().build(), 0, large()));
        write("zstd-large", batch(Compression.zstd().build(), 0, large()));
        write("lz4-incompressible", batch(Compression.lz4().build(), 0, noise()));
        write("idempotent", producer(77, (short) 3, Integer.MAX_VALUE - 1, false));
        write("transactional", producer(9007199254740991L, (short) 0, 0, true));
        write("control-commit", marker(ControlRecordType.COMMIT));
        write("control-abort", marker(ControlRecordType.ABORT));
        write("control-leader-change", leaderChange());
        write("tombstones", batch(Compression.zstd().build(), 3, tombstones()));
        write("append-time", appendTime(Compression.NONE));
        write("append-time-lz4", appendTime(Compression.lz4().build()));
        write("big-varints", batch(Compression.NONE, 9007199254000000L, bigVarints()));
        write("negative-deltas", batch(Compression.NONE, 0, negativeDeltas()));
        write("nanoseconds", batch(Compression.NONE, 0, nanoseconds()));
        write("empty", empty());
        write("compacted", compacted(Compression.NONE, false));
        write("compacted-gzip", compacted(Compression.gzip().build(), false));
        write("delete-horizon", compacted(Compression.NONE, true));
        write("two-batches", twoBatches());
        Files.writeString(directory.resolve("golden.json"), "[\n" + String.join(",\n", described) + "\n]\n");
    }

    private static ByteBuffer batch(Compression compression, long baseOffset, List<SimpleRecord> records) {
        ByteBuffer buffer = ByteBuffer.allocate(1 << 20);
        MemoryRecordsBuilder builder = MemoryRecords.builder(buffer, RecordBatch.MAGIC_VALUE_V2, compression,
            TimestampType.CREATE_TIME, baseOffset, RecordBatch.NO_TIMESTAMP, RecordBatch.NO_PRODUCER_ID,
            RecordBatch.NO_PRODUCER_EPOCH, RecordBatch.NO_SEQUENCE, false, 5);
        records.forEach(builder::append);
        return builder.build().buffer();
    }

    private static ByteBuffer producer(long id, short epoch, int sequence, boolean transactional) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(65536), RecordBatch.MAGIC_VALUE_V2,
            Compression.NONE, TimestampType.CREATE_TIME, 42, RecordBatch.NO_TIMESTAMP, id, epoch, sequence,
            transactional, 2);
        records(4).forEach(builder::append);
        return builder.build().buffer();
    }

    private static ByteBuffer marker(ControlRecordType type) {
        return MemoryRecords.withEndTransactionMarker(88, TIME, 6, 4321, (short) 9,
            new EndTransactionMarker(type, 17)).buffer();
    }

    private static ByteBuffer leaderChange() {
        LeaderChangeMessage message = new LeaderChangeMessage().setLeaderId(1).setVersion((short) 0);
        return MemoryRecords.withLeaderChangeMessage(10, TIME, 4, ByteBuffer.allocate(512), message).buffer();
    }

    private static ByteBuffer appendTime(Compression compression) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(65536), RecordBatch.MAGIC_VALUE_V2,
            compression, TimestampType.LOG_APPEND_TIME, 50, TIME + 999);
        records(6).forEach(builder::append);
        return builder.build().buffer();
    }

    private static ByteBuffer empty() {
        ByteBuffer buffer = ByteBuffer.allocate(RecordBatch.MAGIC_VALUE_V2 + 100);
        DefaultRecordBatch.writeEmptyHeader(buffer, RecordBatch.MAGIC_VALUE_V2, 55, (short) 2, 30, 500, 519, 8,
            TimestampType.CREATE_TIME, TIME, true, false);
        buffer.flip();
        return buffer;
    }

    /** Every second record is gone, as the log cleaner leaves a batch. */
    private static ByteBuffer compacted(Compression compression, boolean horizon) {
        MemoryRecords all = MemoryRecords.readableRecords(batch(compression, 200, horizon ? tombstones() : records(20)));
        ByteBuffer kept = ByteBuffer.allocate(65536);
        RecordFilter filter = new RecordFilter(TIME, 86400000L) {
            @Override
            protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                return new BatchRetentionResult(BatchRetention.RETAIN_EMPTY, horizon);
            }
            @Override
            protected boolean shouldRetainRecord(RecordBatch batch, Record record) {
                return record.offset() % 2 == 1;
            }
        };
        all.filterTo(filter, kept, BufferSupplier.NO_CACHING);
        kept.flip();
        return kept;
    }

    private static ByteBuffer twoBatches() {
        ByteBuffer first = batch(Compression.NONE, 0, records(3));
        ByteBuffer second = batch(Compression.snappy().build(), 3, records(3));
        ByteBuffer both = ByteBuffer.allocate(first.remaining() + second.remaining());
        both.put(first.duplicate()).put(second.duplicate()).flip();
        return both;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static List<SimpleRecord> records(int count) {
        List<SimpleRecord> list = new ArrayList<>();
        for (int i = 0; i < count; i++)
            list.add(new SimpleRecord(TIME + i, bytes("key-" + i), bytes("value number " + i + " of " + count)));
        return list;
    }

    private static List<SimpleRecord> withHeaders() {
        List<SimpleRecord> list = new ArrayList<>();
        Header[] some = {new RecordHeader("trace", bytes("abc")), new RecordHeader("trace", bytes("second of the same key")),
            new RecordHeader("null", null), new RecordHeader("empty", new byte[0]), new RecordHeader("", bytes("no key")),
            new RecordHeader("grüße \uD83D\uDE80", new byte[] {0, -1, 127, -128})};
        list.add(new SimpleRecord(TIME, bytes("k"), bytes("v"), some));
        list.add(new SimpleRecord(TIME + 1, bytes("k"), bytes("v"), new Header[0]));
        Header[] many = new Header[130];
        for (int i = 0; i < many.length; i++) many[i] = new RecordHeader("h" + i, bytes("" + i));
        list.add(new SimpleRecord(TIME + 2, (byte[]) null, (byte[]) null, many));
        return list;
    }

    private static List<SimpleRecord> nulls() {
        List<SimpleRecord> list = new ArrayList<>();
        byte[][] choices = {null, new byte[0], {0}, bytes("x")};
        for (byte[] key : choices) for (byte[] value : choices) list.add(new SimpleRecord(TIME, key, value));
        return list;
    }

    private static List<SimpleRecord> tombstones() {
        List<SimpleRecord> list = new ArrayList<>();
        for (int i = 0; i < 10; i++)
            list.add(new SimpleRecord(TIME + i * 1000L, bytes("id-" + i), i % 3 == 1 ? null : bytes("value " + i)));
        return list;
    }

    private static List<SimpleRecord> bigVarints() {
        List<SimpleRecord> list = new ArrayList<>();
        long[] times = {0, 1, 63, 64, 8191, 8192, 1L << 20, 1L << 31, 1L << 40, (1L << 53) - 1};
        for (long time : times) list.add(new SimpleRecord(time, bytes("at"), bytes("" + time)));
        for (int i = 0; i < 80; i++) list.add(new SimpleRecord(TIME, null, bytes("")));
        list.add(new SimpleRecord(TIME, bytes("k".repeat(63)), bytes("v".repeat(64))));
        list.add(new SimpleRecord(TIME, bytes("k".repeat(8191)), bytes("v".repeat(8192))));
        return list;
    }

    private static List<SimpleRecord> negativeDeltas() {
        List<SimpleRecord> list = new ArrayList<>();
        long[] deltas = {0, -1, -64, -65, -8192, -8193, 5, -TIME, -(1L << 33)};
        for (long delta : deltas) list.add(new SimpleRecord(TIME + delta, null, bytes("" + delta)));
        return list;
    }

    private static List<SimpleRecord> nanoseconds() {
        List<SimpleRecord> list = new ArrayList<>();
        for (int i = 0; i < 4; i++) list.add(new SimpleRecord(TIME * 1000000L + 123456789L * i, null, bytes("ns" + i)));
        list.add(new SimpleRecord(5, null, bytes("and a small one")));
        return list;
    }

    /** 300 kB of text that compresses well. */
    private static List<SimpleRecord> large() {
        List<SimpleRecord> list = new ArrayList<>();
        Random random = new Random(7);
        String[] words = {"segment", "offset", "index", "leader", "epoch", "batch", "roll", "sparse"};
        for (int i = 0; i < 30; i++) {
            StringBuilder text = new StringBuilder();
            String word = words[random.nextInt(words.length)];
            while (text.length() < 10000) text.append(word).append(' ').append(i).append(' ');
            list.add(new SimpleRecord(TIME + i, bytes("" + i), bytes(text.toString())));
        }
        return list;
    }

    private static List<SimpleRecord> noise() {
        byte[] value = new byte[3000];
        new Random(8).nextBytes(value);
        return List.of(new SimpleRecord(TIME, null, value));
    }

    private static void write(String name, ByteBuffer buffer) throws Exception {
        try (OutputStream out = Files.newOutputStream(directory.resolve(name + ".bin"))) {
            out.write(buffer.array(), buffer.arrayOffset() + buffer.position(), buffer.remaining());
        }
        described.add("{\"name\":\"" + name + "\",\"batches\":" + Check.describe(buffer.duplicate(), true) + "}");
    }
}
