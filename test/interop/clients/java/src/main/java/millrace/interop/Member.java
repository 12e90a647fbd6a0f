package millrace.interop;

import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A member of a group until standard input ends: GROUP TOPIC [NAME=VALUE of a config]... */
final class Member {
  private Member() {}

  static void run(List<String> args) throws Exception {
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", System.getenv("BOOTSTRAP"));
    config.put("group.id", args.get(0));
    config.put("auto.offset.reset", "earliest");
    config.put("enable.auto.commit", "false");
    for (String text : args.subList(2, args.size())) {
      int at = text.indexOf('=');
      config.put(text.substring(0, at), text.substring(at + 1));
    }
    ByteArrayDeserializer bytes = new ByteArrayDeserializer();
    TreeSet<Integer> assigned = new TreeSet<>();
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config, bytes, bytes)) {
      consumer.subscribe(List.of(args.get(1)), new ConsumerRebalanceListener() {
        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
          for (TopicPartition one : partitions) assigned.add(one.partition());
          say("{\"assigned\": " + assigned + "}");
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
          for (TopicPartition one : partitions) assigned.remove(one.partition());
          say("{\"assigned\": " + assigned + "}");
        }
      });
      while (!isOver()) {
        boolean any = false;
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          say("{\"partition\": " + record.partition() + ", \"offset\": " + record.offset() + "}");
          any = true;
        }
        if (any) consumer.commitSync();
      }
    }
  }

  private static boolean isOver() throws IOException {
    return System.in.available() > 0;
  }

  private static synchronized void say(String line) {
    System.out.println(line);
    System.out.flush();
  }
}
