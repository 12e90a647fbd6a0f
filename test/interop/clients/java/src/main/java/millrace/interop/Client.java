package millrace.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/** Kafka's own Java client: producer, consumer by assign() and admin. */
public final class Client {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String BOOTSTRAP = System.getenv().getOrDefault("BOOTSTRAP", "");
  private static final OutputStream OUT = new BufferedOutputStream(System.out, 1 << 20);

  private interface OnRecord {
    void accept(ConsumerRecord<byte[], byte[]> record) throws IOException;
  }

  private Client() {}

  public static void main(String[] args) throws Exception {
    int status = 0;
    try {
      run(args[0], Arrays.asList(args).subList(1, args.length));
    } catch (Throwable thrown) {
      Throwable cause = thrown instanceof ExecutionException ? thrown.getCause() : thrown;
      Errors error = Errors.forException(cause);
      System.err.println(cause);
      System.err.println("error " + error.code() + " " + error.name());
      status = 1;
    }
    OUT.flush();
    // Client threads that still wait for the broker must not hold the program.
    Runtime.getRuntime().halt(status);
  }

  private static void run(String command, List<String> args) throws Exception {
    switch (command) {
      case "version" -> print(AppInfoParser.getVersion());
      case "metadata" -> metadata();
      case "member" -> Member.run(args);
      case "steer" -> Steering.steer(args.get(0), args.get(1));
      case "administer" -> print(Steering.administer(args.get(0), args.get(1)));
      case "create" -> create(args);
      case "delete" -> {
        try (Admin admin = admin()) {
          admin.deleteTopics(List.of(args.get(0))).all().get();
        }
      }
      case "configs" -> configs(args.get(0));
      case "offset" -> offset(args.get(0), args.get(1));
      case "transact" -> transact(args.get(0), args.get(1), args.get(2), args.get(3));
      case "produce" -> produce(args);
      case "produce-text" -> produceText(args.get(0), Path.of(args.get(1)));
      case "consume" ->
          consume(args.get(0), args.get(1), Integer.parseInt(args.get(2)), Client::printRecord);
      case "consume-text" ->
          consume(
              args.get(0),
              "earliest",
              Integer.parseInt(args.get(1)),
              record -> {
                OUT.write(record.value());
                OUT.write('\n');
              });
      default -> throw new IllegalArgumentException("no command " + command);
    }
  }

  private static void metadata() throws Exception {
    try (Admin admin = admin()) {
      var cluster = admin.describeCluster();
      ObjectNode answer = JSON.createObjectNode();
      ArrayNode brokers = answer.putArray("brokers");
      for (var node : cluster.nodes().get()) brokers.add(node.host() + ":" + node.port());
      answer.put("controller", cluster.nodes().get().contains(cluster.controller().get()));
      ObjectNode topics = answer.putObject("topics");
      var names = admin.listTopics().names().get();
      admin
          .describeTopics(names)
          .allTopicNames()
          .get()
          .forEach((name, topic) -> topics.put(name, topic.partitions().size()));
      print(answer.toString());
    }
  }

  private static void create(List<String> args) throws Exception {
    Map<String, String> configs = new HashMap<>();
    for (String text : args.subList(2, args.size())) {
      configs.put(text.split("=")[0], text.split("=")[1]);
    }
    var topic = new NewTopic(args.get(0), Integer.parseInt(args.get(1)), (short) 1);
    try (Admin admin = admin()) {
      admin.createTopics(List.of(topic.configs(configs))).all().get();
    }
  }

  private static void configs(String topic) throws Exception {
    var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    try (Admin admin = admin()) {
      ObjectNode answer = JSON.createObjectNode();
      var found = admin.describeConfigs(List.of(resource)).all().get().get(resource);
      found.entries().forEach(entry -> answer.put(entry.name(), entry.value()));
      print(answer.toString());
    }
  }

  private static void offset(String topic, String at) throws Exception {
    OffsetSpec spec =
        switch (at) {
          case "earliest" -> OffsetSpec.earliest();
          case "latest" -> OffsetSpec.latest();
          case "max-timestamp" -> OffsetSpec.maxTimestamp();
          default -> OffsetSpec.forTimestamp(Long.parseLong(at.substring(1)));
        };
    var partition = new TopicPartition(topic, 0);
    try (Admin admin = admin()) {
      var found = admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get();
      print(String.valueOf(found.offset()));
    }
  }

  private static void produce(List<String> args) throws Exception {
    int codec = args.indexOf("--codec");
    Map<String, Object> config = new HashMap<>();
    config.put("compression.type", codec < 0 ? "none" : args.get(codec + 1));
    config.put("enable.idempotence", args.contains("--idempotent"));
    config.put("linger.ms", "1000");
    config.put("batch.size", "1000000");
    config.put("max.request.size", "10000000");
    try (var producer = producer(config)) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (String line : Files.readAllLines(Path.of(args.get(1)))) {
        JsonNode json = JSON.readTree(line);
        Long timestamp = json.hasNonNull("timestamp") ? json.get("timestamp").asLong() : null;
        byte[] key = json.get("key").binaryValue();
        byte[] value = json.get("value").binaryValue();
        var record = new ProducerRecord<byte[], byte[]>(args.get(0), 0, timestamp, key, value);
        for (JsonNode header : json.withArray("headers")) {
          record.headers().add(header.get(0).asText(), header.get(1).binaryValue());
        }
        sent.add(producer.send(record));
      }
      producer.flush();
      for (var future : sent) future.get();
    }
  }

  /** Every line as its bytes are; with the client's defaults, so that it is an idempotent producer. */
  private static void produceText(String topic, Path file) throws Exception {
    var failure = new AtomicReference<Exception>();
    try (var producer = producer(Map.of("batch.size", "65536"));
        var input = new BufferedInputStream(Files.newInputStream(file), 1 << 20)) {
      var line = new ByteArrayOutputStream();
      for (int next = input.read(); next >= 0; next = input.read()) {
        if (next != '\n') {
          line.write(next);
          continue;
        }
        producer.send(
            new ProducerRecord<byte[], byte[]>(topic, 0, null, line.toByteArray()),
            (metadata, error) -> {
              if (error != null) failure.compareAndSet(null, error);
            });
        line.reset();
      }
    }
    if (failure.get() != null) throw failure.get();
  }

  private static void transact(String topic, String input, String group, String id)
      throws Exception {
    try (var producer = transactional(id)) {
      write(producer, topic, "committed 0", "committed 1");
      sendOffset(producer, group, input, 1);
      producer.commitTransaction();
      write(producer, topic, "aborted 0", "aborted 1");
      sendOffset(producer, group, input, 99);
      producer.abortTransaction();
      write(producer, topic, "committed 2");
      sendOffset(producer, group, input, 3);
      producer.commitTransaction();
      write(producer, topic, "zombie");
      try (var heir = transactional(id)) {
        boolean fenced = false;
        try {
          producer.commitTransaction();
        } catch (ProducerFencedException error) {
          fenced = true;
        }
        if (!fenced) throw new IllegalStateException("a producer commits that has a successor");
        write(heir, topic, "committed 3");
        heir.commitTransaction();
      }
    }
    ArrayNode values = JSON.createArrayNode();
    consume(topic, "earliest", 4, "read_committed", record -> values.add(new String(record.value())));
    print(values.toString());
  }

  private static KafkaProducer<byte[], byte[]> transactional(String id) {
    var producer = producer(Map.of("transactional.id", id));
    producer.initTransactions();
    return producer;
  }

  private static void write(KafkaProducer<byte[], byte[]> producer, String topic, String... values)
      throws Exception {
    producer.beginTransaction();
    for (String value : values) {
      producer.send(new ProducerRecord<byte[], byte[]>(topic, 0, null, value.getBytes())).get();
    }
  }

  private static void sendOffset(
      KafkaProducer<byte[], byte[]> producer, String group, String input, long offset) {
    var offsets = Map.of(new TopicPartition(input, 0), new OffsetAndMetadata(offset));
    producer.sendOffsetsToTransaction(offsets, new ConsumerGroupMetadata(group));
  }

  private static void consume(String topic, String from, int count, OnRecord onRecord)
      throws IOException {
    consume(topic, from, count, "read_uncommitted", onRecord);
  }

  private static void consume(
      String topic, String from, int count, String isolation, OnRecord onRecord)
      throws IOException {
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", BOOTSTRAP);
    config.put("isolation.level", isolation);
    config.put("enable.auto.commit", "false");
    config.put("auto.offset.reset", "none");
    config.put("max.poll.records", Math.min(count, 10_000));
    var bytes = new ByteArrayDeserializer();
    try (var consumer = new KafkaConsumer<>(config, bytes, bytes)) {
      var partition = new TopicPartition(topic, 0);
      consumer.assign(List.of(partition));
      if (from.equals("earliest")) {
        consumer.seekToBeginning(List.of(partition));
      } else if (from.startsWith("@")) {
        long time = Long.parseLong(from.substring(1));
        consumer.seek(partition, consumer.offsetsForTimes(Map.of(partition, time)).get(partition).offset());
      } else {
        consumer.seek(partition, Long.parseLong(from));
      }
      for (int left = count; left > 0; ) {
        for (var record : consumer.poll(Duration.ofMillis(500))) {
          if (left-- > 0) onRecord.accept(record);
        }
      }
    }
  }

  private static void printRecord(ConsumerRecord<byte[], byte[]> record) throws IOException {
    ObjectNode json = JSON.createObjectNode();
    json.put("offset", record.offset());
    json.put("timestamp", record.timestamp());
    json.put("key", base64(record.key()));
    json.put("value", base64(record.value()));
    ArrayNode headers = json.putArray("headers");
    for (Header header : record.headers()) {
      headers.addArray().add(header.key()).add(base64(header.value()));
    }
    print(json.toString());
  }

  private static Admin admin() {
    return Admin.create(Map.of("bootstrap.servers", BOOTSTRAP));
  }

  private static KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
    Map<String, Object> config = new HashMap<>(more);
    config.put("bootstrap.servers", BOOTSTRAP);
    config.put("max.block.ms", "20000");
    return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
  }

  private static String base64(byte[] bytes) {
    return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
  }

  private static void print(String line) throws IOException {
    OUT.write((line + "\n").getBytes(java.nio.charset.StandardCharsets.UTF_8));
  }
}
