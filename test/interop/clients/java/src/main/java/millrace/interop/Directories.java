package millrace.interop;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.IOException;
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
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * What directories.ts compares: fills a real Kafka with a topic for everything that a log can hold, and
 * writes down how this client sees the topics of any broker.
 *
 * <p>Usage: {@code Directories BOOTSTRAP create FILE} (a line a topic: name and KEY=VALUE settings),
 * {@code fill}, {@code more}, and {@code view FILE TOPIC...}.
 */
public final class Directories {
  private static final long START_MS = 1_700_000_000_000L;
  private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
  private static final int TIMES_MAX = 150;
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> ISOLATIONS = List.of("read_uncommitted", "read_committed");

  private Directories() {}

  public static void main(String[] args) throws Exception {
    int status = 0;
    try {
      switch (args[1]) {
        case "create" -> create(args[0], Path.of(args[2]));
        case "fill" -> fill(args[0]);
        case "more" -> more(args[0]);
        case "view" -> view(args[0], Path.of(args[2]), List.of(args).subList(3, args.length));
        default -> throw new IllegalArgumentException(args[1]);
      }
    } catch (Throwable thrown) {
      thrown.printStackTrace();
      status = 1;
    }
    // Without closing what is open: a transaction stays undecided.
    Runtime.getRuntime().halt(status);
  }

  private static void create(String bootstrap, Path file) throws Exception {
    List<NewTopic> topics = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      String[] words = line.split(" ");
      Map<String, String> configs = new HashMap<>();
      for (int i = 1; i < words.length; i++) {
        configs.put(words[i].split("=")[0], words[i].split("=")[1]);
      }
      topics.add(new NewTopic(words[0], 1, (short) 1).configs(configs));
    }
    try (Admin admin = admin(bootstrap)) {
      admin.createTopics(topics).all().get();
    }
  }

  private static void fill(String bootstrap) throws Exception {
    compacted(bootstrap, 1200);
    compactedTransactions(bootstrap);
    codecs(bootstrap, 0, 240);
    appendTime(bootstrap, 200);
    idempotent(bootstrap, 3);
    transactions(bootstrap, 11, 60);
    trimmed(bootstrap);
    open(bootstrap);
    commit(bootstrap);
    awaitCleaner(bootstrap);
  }

  /** The last of what is in the logs when the broker is killed. */
  private static void more(String bootstrap) throws Exception {
    codecs(bootstrap, 240, 60);
    appendTime(bootstrap, 50);
    idempotent(bootstrap, 1);
    transactions(bootstrap, 12, 20);
    open(bootstrap);
  }

  private static void codecs(String bootstrap, int from, int count) throws Exception {
    Random random = new Random(7 + from);
    for (String codec : CODECS) {
      try (var producer = producer(bootstrap, Map.of("compression.type", codec))) {
        for (int i = from; i < from + count; i++) {
          // Times go up and down, so that the time index is not simply the last record's time.
          long time = START_MS + i * 1000L + (i % 7 == 0 ? 5000 : 0) - (i % 11 == 0 ? 3000 : 0);
          byte[] noise = new byte[60 + random.nextInt(100)];
          random.nextBytes(noise);
          byte[] value =
              switch (i % 9) {
                case 3 -> null;
                case 5 -> new byte[0];
                case 7 -> noise;
                default -> bytes(("value " + i + " ").repeat(1 + i % 20));
              };
          byte[] key = i % 5 == 2 ? null : i % 5 == 4 ? new byte[0] : bytes("key-" + i);
          var record = new ProducerRecord<byte[], byte[]>("codec-" + codec, 0, time, key, value);
          if (i % 4 == 1) record.headers().add("h\u00e9ader", bytes("one " + i));
          if (i % 8 == 1) record.headers().add("h\u00e9ader", null).add("", new byte[0]);
          producer.send(record);
          if (random.nextInt(6) == 0) producer.flush();
        }
      }
    }
  }

  private static void appendTime(String bootstrap, int count) {
    try (var producer = producer(bootstrap, Map.of("compression.type", "lz4"))) {
      for (int i = 0; i < count; i++) {
        send(producer, "append-time", START_MS + i, "k" + i, ("v" + i + " ").repeat(20));
        if (i % 5 == 4) producer.flush();
      }
    }
  }

  private static void idempotent(String bootstrap, int producers) {
    for (int run = 0; run < producers; run++) {
      // Each producer has a producer id of its own.
      try (var producer = producer(bootstrap, Map.of("enable.idempotence", "true"))) {
        for (int i = 0; i < 40; i++) {
          send(producer, "idempotent", START_MS + i, "p" + run, ("v" + i + " ").repeat(10));
          if (i % 4 == 3) producer.flush();
        }
      }
    }
  }

  /** Two transactional producers and a plain one, in turn as the seed says. */
  private static void transactions(String bootstrap, int seed, int rounds) {
    Random random = new Random(seed);
    try (var one = transactional(bootstrap, "one", "none");
        var two = transactional(bootstrap, "two", "zstd");
        var plain = producer(bootstrap, Map.of())) {
      one.initTransactions();
      two.initTransactions();
      boolean[] open = new boolean[2];
      for (int i = 0; i < rounds; i++) {
        int who = random.nextInt(2);
        var producer = who == 0 ? one : two;
        if (!open[who]) producer.beginTransaction();
        open[who] = true;
        for (int n = random.nextInt(4); n >= 0; n--) {
          send(producer, "transactions", START_MS + i * 100L, "t" + who, "r" + i + " ".repeat(60));
        }
        producer.flush();
        if (random.nextInt(3) == 0) {
          send(plain, "transactions", START_MS + i * 100L + 50, "plain", "r" + i);
          plain.flush();
        }
        if (random.nextInt(3) == 0) {
          if (random.nextBoolean()) producer.commitTransaction();
          else producer.abortTransaction();
          open[who] = false;
        }
      }
      if (open[0]) one.abortTransaction();
      if (open[1]) two.commitTransaction();
    }
  }

  /** A transaction that stays undecided; begun again, it aborts the one before. */
  private static void open(String bootstrap) {
    var stays = transactional(bootstrap, "open", "none");
    stays.initTransactions();
    try (var plain = producer(bootstrap, Map.of())) {
      send(plain, "open", START_MS, "before", "1");
      plain.flush();
      stays.beginTransaction();
      send(stays, "open", START_MS + 1, "undecided", "2");
      stays.flush();
      send(plain, "open", START_MS + 2, "behind", "3");
    }
  }

  /** So that there are the coordinator's own topics, too. */
  private static void commit(String bootstrap) {
    Map<String, Object> config = new HashMap<>(Map.of("group.id", "directories"));
    config.put("bootstrap.servers", bootstrap);
    var bytes = new ByteArrayDeserializer();
    try (var consumer = new KafkaConsumer<>(config, bytes, bytes)) {
      consumer.commitSync(Map.of(at("open"), new OffsetAndMetadata(1)));
    }
  }

  private static void compacted(String bootstrap, int count) {
    try (var producer = producer(bootstrap, Map.of("compression.type", "snappy"))) {
      for (int i = 0; i < count; i++) {
        String key = "k" + (i < 40 ? i : i % 17);
        String value = i > count / 2 && i % 13 == 3 ? null : "value-" + i + "-".repeat(40);
        send(producer, "compacted", START_MS + i * 100L, key, value);
        send(producer, "compacted-soon", START_MS + i * 100L, key, value);
        if (i % 20 == 19) producer.flush();
      }
    }
  }

  private static void compactedTransactions(String bootstrap) {
    Random random = new Random(5);
    try (var producer = transactional(bootstrap, "compacted", "gzip")) {
      producer.initTransactions();
      for (int i = 0; i < 60; i++) {
        producer.beginTransaction();
        for (int n = 0; n < 4; n++) {
          String value = random.nextInt(5) == 0 ? null : "value " + i + " ".repeat(50);
          send(producer, "compacted-transactions", START_MS + i, "k" + random.nextInt(12), value);
        }
        producer.flush();
        if (i % 3 == 1) producer.abortTransaction();
        else producer.commitTransaction();
      }
    }
  }

  /** Waits until the cleaner has gone over the compacted topics and they stay as they are. */
  private static void awaitCleaner(String bootstrap) throws Exception {
    Map<String, Integer> most =
        Map.of("compacted", 300, "compacted-soon", 300, "compacted-transactions", 120);
    for (String topic : most.keySet()) {
      int before = -1;
      for (int wait = 0; ; wait++) {
        int count = read(bootstrap, List.of(topic), "read_uncommitted").size();
        if (count < most.get(topic) && count == before) break;
        if (wait > 120) throw new IllegalStateException("the log cleaner did not run: " + topic);
        before = count;
        Thread.sleep(500);
      }
    }
  }

  private static void trimmed(String bootstrap) throws Exception {
    try (var producer = producer(bootstrap, Map.of("batch.size", "500"));
        Admin admin = admin(bootstrap)) {
      for (int i = 0; i < 100; i++) {
        send(producer, "trimmed", START_MS + i, "k" + i, "v-" + i + "-".repeat(60));
        if (i % 10 == 9) producer.flush();
      }
      var before = RecordsToDelete.beforeOffset(77);
      admin.deleteRecords(Map.of(at("trimmed"), before)).all().get();
    }
    // Until the segments below the log start are gone Kafka finds no time in the others.
    try (var consumer = consumer(bootstrap, "read_uncommitted")) {
      var asked = Map.of(at("trimmed"), 0L);
      for (int wait = 0; consumer.offsetsForTimes(asked).get(at("trimmed")) == null; wait++) {
        if (wait > 120) throw new IllegalStateException("retention did not run");
        Thread.sleep(250);
      }
    }
  }

  /** Every topic as this client sees it, a JSON object a line. */
  private static void view(String bootstrap, Path file, List<String> topics) throws Exception {
    try (BufferedWriter out = Files.newBufferedWriter(file);
        Admin admin = admin(bootstrap)) {
      Map<TopicPartition, List<Long>> times = new TreeMap<>(Directories::compare);
      for (String isolation : ISOLATIONS) {
        List<ConsumerRecord<byte[], byte[]>> records = read(bootstrap, topics, isolation);
        if (times.isEmpty()) {
          for (String topic : topics) times.put(at(topic), timesOf(topic, records));
        }
        for (var record : records) write(out, recordNode(isolation, record));
        try (var consumer = consumer(bootstrap, isolation)) {
          var partitions = topics.stream().map(Directories::at).collect(Collectors.toList());
          var first = consumer.beginningOffsets(partitions);
          var end = consumer.endOffsets(partitions);
          for (var at : partitions) {
            ObjectNode node = node("offsets", isolation, at);
            write(out, node.put("first", first.get(at)).put("end", end.get(at)));
          }
          times(out, consumer, isolation, times);
        }
      }
      for (String topic : topics) {
        var found = admin.listOffsets(Map.of(at(topic), OffsetSpec.maxTimestamp()));
        var info = found.partitionResult(at(topic)).get();
        ObjectNode node = node("max-timestamp", ISOLATIONS.get(0), at(topic));
        write(out, node.put("offset", info.offset()).put("timestamp", info.timestamp()));
      }
    }
  }

  private static void times(
      BufferedWriter out,
      KafkaConsumer<byte[], byte[]> consumer,
      String isolation,
      Map<TopicPartition, List<Long>> times)
      throws IOException {
    for (int i = 0; i < TIMES_MAX; i++) {
      Map<TopicPartition, Long> asked = new HashMap<>();
      for (var entry : times.entrySet()) {
        if (i < entry.getValue().size()) asked.put(entry.getKey(), entry.getValue().get(i));
      }
      if (asked.isEmpty()) return;
      var found = consumer.offsetsForTimes(asked);
      for (var at : times.keySet()) {
        if (!asked.containsKey(at)) continue;
        ObjectNode node = node("time", isolation, at).put("at", asked.get(at));
        var answer = found.get(at);
        node.put("offset", answer == null ? -1 : answer.offset());
        node.put("timestamp", answer == null ? -1 : answer.timestamp());
        node.put("epoch", answer == null ? -1 : answer.leaderEpoch().orElse(-1));
        write(out, node);
      }
    }
  }

  /** The times of records, one below and one above each, thinned out evenly. */
  private static List<Long> timesOf(String topic, List<ConsumerRecord<byte[], byte[]>> records) {
    TreeSet<Long> all = new TreeSet<>(List.of(0L, START_MS));
    for (var record : records) {
      if (!record.topic().equals(topic)) continue;
      for (int delta = -1; delta <= 1; delta++) all.add(record.timestamp() + delta);
    }
    List<Long> sorted = new ArrayList<>(all);
    int step = sorted.size() / TIMES_MAX + 1;
    List<Long> times = new ArrayList<>(List.of(sorted.get(sorted.size() - 1)));
    for (int i = 0; i < sorted.size() - 1; i += step) times.add(sorted.get(i));
    return times;
  }

  /** By topic, then offset. */
  private static List<ConsumerRecord<byte[], byte[]>> read(
      String bootstrap, List<String> topics, String isolation) {
    List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
    try (var consumer = consumer(bootstrap, isolation)) {
      for (String topic : topics) {
        var at = at(topic);
        long end = consumer.endOffsets(List.of(at)).get(at);
        consumer.assign(List.of(at));
        consumer.seekToBeginning(List.of(at));
        while (consumer.position(at) < end) {
          consumer.poll(Duration.ofMillis(100)).forEach(records::add);
        }
      }
    }
    return records;
  }

  private static ObjectNode recordNode(String isolation, ConsumerRecord<byte[], byte[]> record) {
    ObjectNode node = node("record", isolation, at(record.topic()));
    node.put("offset", record.offset());
    node.put("timestamp", record.timestamp());
    node.put("type", record.timestampType().name);
    node.put("epoch", record.leaderEpoch().orElse(-1));
    node.put("key", base64(record.key()));
    node.put("value", base64(record.value()));
    ArrayNode headers = node.putArray("headers");
    for (var header : record.headers()) {
      headers.addArray().add(header.key()).add(base64(header.value()));
    }
    return node;
  }

  private static ObjectNode node(String what, String isolation, TopicPartition at) {
    ObjectNode node = JSON.createObjectNode();
    return node.put("topic", at.topic()).put("what", what).put("isolation", isolation);
  }

  private static void write(BufferedWriter out, ObjectNode node) throws IOException {
    out.write(node + "\n");
  }

  private static void send(
      KafkaProducer<byte[], byte[]> producer, String topic, long time, String key, String value) {
    byte[] content = value == null ? null : bytes(value);
    producer.send(new ProducerRecord<>(topic, 0, time, bytes(key), content));
  }

  private static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String isolation) {
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", bootstrap);
    config.put("isolation.level", isolation);
    config.put("enable.auto.commit", "false");
    config.put("max.poll.records", 10_000);
    config.put("fetch.max.wait.ms", 50);
    return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  /** No coordinator ends its transaction meanwhile, however slow the machine. */
  private static KafkaProducer<byte[], byte[]> transactional(
      String bootstrap, String id, String codec) {
    var timeoutMs = "86400000";
    return producer(
        bootstrap,
        Map.of(
            "transactional.id", id, "transaction.timeout.ms", timeoutMs, "compression.type", codec));
  }

  private static KafkaProducer<byte[], byte[]> producer(
      String bootstrap, Map<String, String> more) {
    Map<String, Object> config = new HashMap<>(more);
    config.put("bootstrap.servers", bootstrap);
    config.put("linger.ms", "1000");
    config.putIfAbsent("batch.size", "2000");
    return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
  }

  private static Admin admin(String bootstrap) {
    return Admin.create(Map.of("bootstrap.servers", bootstrap));
  }

  private static TopicPartition at(String topic) {
    return new TopicPartition(topic, 0);
  }

  private static int compare(TopicPartition one, TopicPartition other) {
    return one.topic().compareTo(other.topic());
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String base64(byte[] bytes) {
    return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
  }
}
