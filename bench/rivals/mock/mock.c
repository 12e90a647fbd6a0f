// librdkafka's mock cluster as a server of its own. It prints where it listens and runs until its
// standard input ends. It has the topics bench-1p of one partition and bench-16p of sixteen, and keeps
// in memory what was produced, up to 5 MiB a partition.

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

static const int COUNTS[] = {1, 16};

int main(void) {
  char error[256];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  // A client has to be there for the cluster to belong to; it stays idle.
  rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
  if (client == NULL) {
    fprintf(stderr, "%s\n", error);
    return 1;
  }
  rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(client, 1);
  if (cluster == NULL) return 1;
  for (int i = 0; i < 2; i++) {
    char topic[32];
    snprintf(topic, sizeof topic, "bench-%dp", COUNTS[i]);
    if (rd_kafka_mock_topic_create(cluster, topic, COUNTS[i], 1)) return 1;
  }
  printf("listening on %s\n", rd_kafka_mock_cluster_bootstraps(cluster));
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) continue;
  rd_kafka_mock_cluster_destroy(cluster);
  rd_kafka_destroy(client);
  return 0;
}
