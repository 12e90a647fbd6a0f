package millrace.interop;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Fills a real Kafka broker with the topics of test/golden/kafka-data and then writes down, as this
 * client reads them back, every record of every topic (expected.json).
 *
 * <p>Usage: {@code Golden BOOTSTRAP fill} and, after the broker was restarted, {@code Golden
 * BOOTSTRAP expect FILE}.
 */
public final class Golden {
  /** Record times are fixed, so that a second run makes the same contents. */
  private static final long START_MS = 1_700_000_000_000L;

  private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");

  private Golden() {}

  public static void main(String[] args) throws Exception {
    String bootstrap = args[0];
    if (args[1].equals("fill")) {
      fill(bootstrap);
    } else {
      expect(bootstrap, Path.of(args[2]));
    }
  }

  private static void fill(String bootstrap) throws Exception {
    try (Admin admin = admin(bootstrap)) {
      List<NewTopic> topics = new ArrayList<>();
      for (String codec : CODECS) topics.add(new NewTopic("codec-" + codec, 1, (short) 1));
      topics.add(
          new NewTopic("segments", 2, (short) 1)
              .configs(
                  Map.of(
                      "internal.segment.bytes",
                      "16384",
                      TopicConfig.INDEX_INTERVAL_BYTES_CONFIG,
                      "1024")));
      topics.add(
          new NewTopic("append-time", 1, (short) 1)
              .configs(Map.of(TopicConfig.MESSAGE_TIMESTAMP_TYPE_CONFIG, "LogAppendTime")));
      topics.add(new NewTopic("idempotent", 1, (short) 1));
      topics.add(new NewTopic("transactions", 1, (short) 1));
      topics.add(
          new NewTopic("compacted", 1, (short) 1)
              .configs(
                  Map.of(
                      TopicConfig.CLEANUP_POLICY_CONFIG,
                      "compact",
                      "internal.segment.bytes",
                      "4096",
                      TopicConfig.MIN_CLEANABLE_DIRTY_RATIO_CONFIG,
                      "0.01",
                      TopicConfig.DELETE_RETENTION_MS_CONFIG,
                      "0")));
      topics.add(new NewTopic("empty", 1, (short) 1));
      topics.add(
          new NewTopic("trimmed", 1, (short) 1).configs(Map.of("internal.segment.bytes", "4096")));
      admin.createTopics(topics).all().get();

      for (String codec : CODECS) {
        try (var producer = producer(bootstrap, Map.of("compression.type", codec))) {
          fillCodec(producer, "codec-" + codec);
        }
      }
      try (var producer = producer(bootstrap, Map.of("batch.size", "2000"))) {
        Random random = new Random(7);
        for (int i = 0; i < 400; i++) {
          byte[] value = new byte[200];
          random.nextBytes(value);
          // Times go up and down, so that the time index is not simply the last record's time.
          long time = START_MS + i * 1000L + (i % 7 == 0 ? 5000 : 0);
          producer.send(new ProducerRecord<>("segments", i % 2, time, bytes("k" + i), value));
          if (i % 10 == 9) producer.flush();
        }
        for (int i = 0; i < 30; i++) {
          producer.send(
              new ProducerRecord<>("append-time", 0, START_MS, bytes("k" + i), bytes("v" + i)));
          if (i % 10 == 9) producer.flush();
        }
      }
      for (int run = 0; run < 3; run++) {
        // Each producer has a producer id of its own.
        try (var producer = producer(bootstrap, Map.of("enable.idempotence", "true"))) {
          for (int i = 0; i < 12; i++) {
            producer.send(
                new ProducerRecord<>(
                    "idempotent", 0, START_MS + i, bytes("p" + run), bytes("v" + i)));
            if (i % 4 == 3) producer.flush();
          }
        }
      }
      fillTransactions(bootstrap);
      fillCompacted(bootstrap, admin);
      fillTrimmed(bootstrap, admin);
    }
  }

  /** Three batches that hold every shape of key, value and header. */
  private static void fillCodec(KafkaProducer<byte[], byte[]> producer, String topic) {
    for (int batch = 0; batch < 3; batch++) {
      for (int i = 0; i < 20; i++) {
        long time = START_MS + batch * 60_000L + i * 10L;
        var record =
            new ProducerRecord<byte[], byte[]>(
                topic,
                0,
                time,
                i == 1 ? null : bytes("key-" + batch + "-" + i),
                i == 2 ? null : i == 3 ? new byte[0] : bytes("value ".repeat(1 + i * 5) + i));
        if (i >= 4 && i < 7) record.headers().add("trace", bytes("id-" + i));
        if (i == 5) record.headers().add("nothing", null).add("trace", new byte[] {0, 1, -1});
        if (i == 6) record.headers().add("größe", new byte[0]);
        producer.send(record);
      }
      producer.flush();
    }
  }

  /** Committed and aborted transactions, two of them interleaved, among records of no transaction. */
  private static void fillTransactions(String bootstrap) {
    try (var one = producer(bootstrap, Map.of("transactional.id", "one"));
        var two = producer(bootstrap, Map.of("transactional.id", "two"));
        var plain = producer(bootstrap, Map.of())) {
      one.initTransactions();
      two.initTransactions();
      int time = 0;
      one.beginTransaction();
      for (int i = 0; i < 5; i++) sendNow(one, time++, "committed-1-" + i);
      one.commitTransaction();
      one.beginTransaction();
      for (int i = 0; i < 5; i++) sendNow(one, time++, "aborted-1-" + i);
      one.abortTransaction();
      sendNow(plain, time++, "plain-1");
      one.beginTransaction();
      two.beginTransaction();
      for (int i = 0; i < 4; i++) {
        sendNow(one, time++, "aborted-2-" + i);
        sendNow(two, time++, "committed-2-" + i);
        sendNow(plain, time++, "plain-2-" + i);
      }
      two.commitTransaction();
      one.abortTransaction();
      sendNow(plain, time++, "plain-3");
    }
  }

  private static void sendNow(KafkaProducer<byte[], byte[]> producer, int time, String value) {
    producer.send(
        new ProducerRecord<>("transactions", 0, START_MS + time, bytes(value), bytes(value)));
    producer.flush();
  }

  /** Few keys, many values; waits until the cleaner has left gaps between the offsets. */
  private static void fillCompacted(String bootstrap, Admin admin) throws Exception {
    try (var producer = producer(bootstrap, Map.of("batch.size", "800"))) {
      for (int i = 0; i < 600; i++) {
        byte[] value = i >= 300 && i % 10 == 3 ? null : bytes("value-" + i + "-".repeat(40));
        producer.send(
            new ProducerRecord<>("compacted", 0, START_MS + i * 100L, bytes("k" + i % 10), value));
        if (i % 20 == 19) producer.flush();
      }
    }
    for (int wait = 0; wait < 120; wait++) {
      if (read(bootstrap, "compacted", 0, "read_uncommitted").size() < 200) return;
      Thread.sleep(500);
    }
    throw new IllegalStateException("the log cleaner did not run");
  }

  /** A log whose start was moved by DeleteRecords: log-start-offset-checkpoint is not empty. */
  private static void fillTrimmed(String bootstrap, Admin admin) throws Exception {
    try (var producer = producer(bootstrap, Map.of("batch.size", "500"))) {
      for (int i = 0; i < 100; i++) {
        producer.send(
            new ProducerRecord<>(
                "trimmed", 0, START_MS + i, bytes("k" + i), bytes("v-" + i + "-".repeat(60))));
        if (i % 10 == 9) producer.flush();
      }
    }
    admin
        .deleteRecords(
            Map.of(
                new TopicPartition("trimmed", 0),
                org.apache.kafka.clients.admin.RecordsToDelete.beforeOffset(77)))
        .all()
        .get();
  }

  private static void expect(String bootstrap, Path file) throws Exception {
    ObjectMapper json = new ObjectMapper();
    ObjectNode root = json.createObjectNode();
    root.put("writtenBy", "Apache Kafka " + org.apache.kafka.common.utils.AppInfoParser.getVersion());
    ArrayNode topics = root.putArray("topics");
    try (Admin admin = admin(bootstrap)) {
      for (String name : new TreeSet<>(admin.listTopics().names().get())) {
        var description = admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
        ObjectNode topic = topics.addObject();
        topic.put("topic", name);
        topic.put("topicId", description.topicId().toString());
        ArrayNode partitions = topic.putArray("partitions");
        for (var info : description.partitions()) {
          ObjectNode partition = partitions.addObject();
          partition.put("partition", info.partition());
          var at = new TopicPartition(name, info.partition());
          partition.put("logStartOffset", offset(admin, at, OffsetSpec.earliest()));
          partition.put("logEndOffset", offset(admin, at, OffsetSpec.latest()));
          partition.put("maxTimestampOffset", offset(admin, at, OffsetSpec.maxTimestamp()));
          var committed = new TreeSet<Long>();
          for (var record : read(bootstrap, name, info.partition(), "read_committed")) {
            committed.add(record.offset());
          }
          ArrayNode records = partition.putArray("records");
          for (var record : read(bootstrap, name, info.partition(), "read_uncommitted")) {
            records.add(toJson(json, record, committed.contains(record.offset())));
          }
        }
      }
    }
    Files.writeString(file, lines(root));
  }

  /** The JSON text with one record a line, so that small differences stay readable. */
  private static String lines(ObjectNode root) {
    return root.toString()
        .replace("{\"topic\"", "\n{\"topic\"")
        .replace("{\"partition\"", "\n  {\"partition\"")
        .replace("{\"offset\"", "\n    {\"offset\"")
        .concat("\n");
  }

  private static ObjectNode toJson(
      ObjectMapper json, ConsumerRecord<byte[], byte[]> record, boolean committed) {
    ObjectNode node = json.createObjectNode();
    node.put("offset", record.offset());
    node.put("timestamp", record.timestamp());
    node.put("timestampType", record.timestampType().name);
    node.put("key", base64(record.key()));
    node.put("value", base64(record.value()));
    if (record.headers().toArray().length > 0) {
      ArrayNode headers = node.putArray("headers");
      for (Header header : record.headers()) {
        headers.addArray().add(header.key()).add(base64(header.value()));
      }
    }
    if (!committed) node.put("aborted", true);
    record.leaderEpoch().ifPresent(epoch -> node.put("leaderEpoch", epoch));
    return node;
  }

  private static List<ConsumerRecord<byte[], byte[]>> read(
      String bootstrap, String topic, int partition, String isolation) {
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", bootstrap);
    config.put("isolation.level", isolation);
    config.put("enable.auto.commit", "false");
    var bytes = new ByteArrayDeserializer();
    List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
    try (var consumer = new KafkaConsumer<>(config, bytes, bytes)) {
      var at = new TopicPartition(topic, partition);
      long end = consumer.endOffsets(List.of(at)).get(at);
      consumer.assign(List.of(at));
      consumer.seekToBeginning(List.of(at));
      while (consumer.position(at) < end) {
        consumer.poll(Duration.ofMillis(500)).forEach(records::add);
      }
    }
    return records;
  }

  private static long offset(Admin admin, TopicPartition at, OffsetSpec spec) throws Exception {
    return admin.listOffsets(Map.of(at, spec)).partitionResult(at).get().offset();
  }

  private static Admin admin(String bootstrap) {
    return Admin.create(Map.of(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap));
  }

  private static KafkaProducer<byte[], byte[]> producer(
      String bootstrap, Map<String, String> more) {
    Map<String, Object> config = new HashMap<>(more);
    config.put("bootstrap.servers", bootstrap);
    config.put("linger.ms", "1000");
    return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String base64(byte[] bytes) {
    return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
  }
}
