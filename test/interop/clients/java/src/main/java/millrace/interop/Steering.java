package millrace.interop;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The commands steer and administer. */
final class Steering {
  private static final String BOOTSTRAP = System.getenv().getOrDefault("BOOTSTRAP", "");

  private Steering() {}

  static void steer(String topic, String group) {
    Map<String, Object> config =
        Map.of(
            "bootstrap.servers", BOOTSTRAP,
            "group.id", group,
            "auto.offset.reset", "earliest",
            "enable.auto.commit", "false",
            "fetch.max.wait.ms", "100");
    var bytes = new ByteArrayDeserializer();
    var first = new TopicPartition(topic, 0);
    var both = List.of(first, new TopicPartition(topic, 1));
    try (var consumer = new KafkaConsumer<>(config, bytes, bytes)) {
      consumer.subscribe(List.of(topic));
      int[] seen = {0, 0};
      read(consumer, seen, 20, 20);
      consumer.pause(List.of(first));
      say("{\"did\": \"pause\"}");
      read(consumer, seen, 20, 25);
      say("{\"did\": \"resume\"}");
      consumer.resume(List.of(first));
      read(consumer, seen, 25, 25);
      say("{\"did\": \"seek\"}");
      for (TopicPartition partition : both) consumer.seek(partition, 5);
      read(consumer, new int[] {0, 0}, 20, 20);
    }
  }

  private static void read(KafkaConsumer<byte[], byte[]> consumer, int[] seen, int... counts) {
    while (!Arrays.equals(seen, counts)) {
      for (var record : consumer.poll(Duration.ofMillis(100))) {
        seen[record.partition()]++;
        say("{\"partition\": " + record.partition() + ", \"offset\": " + record.offset() + "}");
      }
    }
  }

  private static void say(String line) {
    System.out.println(line);
    System.out.flush();
  }

  static String administer(String topic, String group) throws Exception {
    ObjectNode answer = new ObjectMapper().createObjectNode();
    var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    var first = new TopicPartition(topic, 0);
    var fresh = List.of(new NewTopic(topic, 2, (short) 1));
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", BOOTSTRAP))) {
      admin.createTopics(fresh).all().get();
      int again = 0;
      try {
        admin.createTopics(fresh).all().get();
      } catch (ExecutionException error) {
        again = Errors.forException(error.getCause()).code();
      }
      answer.put("again", again);
      admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
      answer.put(
          "partitions",
          soon(
              3,
              () ->
                  admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic)
                      .partitions().size()));
      var entry = new ConfigEntry("retention.ms", "123456789");
      var set = new AlterConfigOp(entry, AlterConfigOp.OpType.SET);
      admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
      answer.put(
          "retention",
          soon(
              "123456789",
              () ->
                  admin.describeConfigs(List.of(resource)).all().get().get(resource)
                      .get("retention.ms").value()));
      write(topic);
      admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(2))).all().get();
      var offsets = admin.listOffsets(Map.of(first, OffsetSpec.earliest()));
      answer.put("earliest", offsets.partitionResult(first).get().offset());
      answer.put("listed", isListed(admin, group));
      var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
      answer.put("state", described.groupState().toString());
      admin.deleteConsumerGroups(List.of(group)).all().get();
      answer.put("left", isListed(admin, group));
      admin.deleteTopics(List.of(topic)).all().get();
      answer.put("deleted", soon(true, () -> !admin.listTopics().names().get().contains(topic)));
    }
    return answer.toString();
  }

  private static boolean isListed(Admin admin, String group) throws Exception {
    return admin.listGroups().all().get().stream().anyMatch(one -> one.groupId().equals(group));
  }

  private static void write(String topic) throws Exception {
    Map<String, Object> config = Map.of("bootstrap.servers", BOOTSTRAP, "max.block.ms", "20000");
    var bytes = new ByteArraySerializer();
    try (var producer = new KafkaProducer<>(config, bytes, bytes)) {
      for (int i = 0; i < 3; i++) {
        producer.send(new ProducerRecord<>(topic, 0, null, new byte[] {1})).get();
      }
    }
  }

  /** What is read once it is as wanted, or at last: a change may take a moment to be seen. */
  private static <T> T soon(T wanted, Callable<T> read) throws Exception {
    T seen = read.call();
    for (int left = 50; left > 0 && !Objects.equals(seen, wanted); left--) {
      Thread.sleep(100);
      seen = read.call();
    }
    return seen;
  }
}
