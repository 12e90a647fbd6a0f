// Sarama: its PartitionConsumer, SyncProducer and ClusterAdmin.
package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"millrace/interop"
)

type client struct{}

func main() { interop.Main(client{}) }

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "interop"
	config.Version = sarama.V4_0_0_0
	config.Metadata.AllowAutoTopicCreation = true
	return config
}

func brokers() []string { return []string{interop.Bootstrap()} }

func admin() (sarama.ClusterAdmin, error) { return sarama.NewClusterAdmin(brokers(), config()) }

func (client) Version() string { return interop.ModuleVersion("github.com/IBM/sarama") }

func (client) Metadata() (interop.Metadata, error) {
	answer := interop.Metadata{Topics: map[string]int{}}
	admin, err := admin()
	if err != nil {
		return answer, err
	}
	defer admin.Close()
	nodes, controller, err := admin.DescribeCluster()
	if err != nil {
		return answer, err
	}
	for _, node := range nodes {
		answer.Brokers = append(answer.Brokers, node.Addr())
		answer.Controller = answer.Controller || node.ID() == controller
	}
	topics, err := admin.ListTopics()
	for name, topic := range topics {
		answer.Topics[name] = int(topic.NumPartitions)
	}
	return answer, err
}

func (client) Create(topic string, partitions int, configs map[string]*string) error {
	admin, err := admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	detail := sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: 1, ConfigEntries: configs}
	return admin.CreateTopic(topic, &detail, false)
}

func (client) Delete(topic string) error {
	admin, err := admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	return admin.DeleteTopic(topic)
}

func (client) Configs(topic string) (map[string]string, error) {
	admin, err := admin()
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	found, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	configs := map[string]string{}
	for _, entry := range found {
		configs[entry.Name] = entry.Value
	}
	return configs, err
}

func (client) Offset(topic string, at interop.At) (int64, error) {
	cl, err := sarama.NewClient(brokers(), config())
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	return offset(cl, topic, at)
}

func offset(cl sarama.Client, topic string, at interop.At) (int64, error) {
	time := at.Offset
	switch at.Name {
	case "earliest":
		time = sarama.OffsetOldest
	case "latest":
		time = sarama.OffsetNewest
	case "max-timestamp":
		time = -3
	}
	return cl.GetOffset(topic, 0, time)
}

func (client) Produce(topic string, records []interop.Record, options interop.Options) error {
	config := config()
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Idempotent = options.Idempotent
	config.Net.MaxOpenRequests = 1
	config.Producer.MaxMessageBytes = 10_000_000
	// The whole file is one batch.
	config.Producer.Flush.Messages = len(records)
	config.Producer.Flush.Frequency = 500 * time.Millisecond
	if err := config.Producer.Compression.UnmarshalText([]byte(options.Codec)); err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer(brokers(), config)
	if err != nil {
		return err
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, len(records))
	for i, record := range records {
		message := &sarama.ProducerMessage{Topic: topic, Partition: 0}
		if record.Key != nil {
			message.Key = sarama.ByteEncoder(record.Key)
		}
		if record.Value != nil {
			message.Value = sarama.ByteEncoder(record.Value)
		}
		if record.Timestamp != nil {
			message.Timestamp = time.UnixMilli(*record.Timestamp)
		}
		for _, header := range record.Headers {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(header.Key), Value: header.Value})
		}
		messages[i] = message
	}
	err = producer.SendMessages(messages)
	var refused sarama.ProducerErrors
	if errors.As(err, &refused) {
		return refused[0].Err
	}
	return err
}

func (client) Consume(topic string, from interop.At, count int, onRecord func(interop.Record)) error {
	config := config()
	config.Consumer.Fetch.Default = 4 << 20
	cl, err := sarama.NewClient(brokers(), config)
	if err != nil {
		return err
	}
	defer cl.Close()
	start := from.Offset
	if from.IsTime || from.Name != "" {
		if start, err = offset(cl, topic, from); err != nil {
			return err
		}
	}
	consumer, err := sarama.NewConsumerFromClient(cl)
	if err != nil {
		return err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, start)
	if err != nil {
		return err
	}
	defer partition.AsyncClose()
	for ; count > 0; count-- {
		message := <-partition.Messages()
		timestamp := message.Timestamp.UnixMilli()
		var headers []interop.Header
		for _, header := range message.Headers {
			headers = append(headers, interop.Header{Key: string(header.Key), Value: header.Value})
		}
		onRecord(interop.Record{
			Offset: message.Offset, Timestamp: &timestamp, Key: message.Key, Value: message.Value, Headers: headers,
		})
	}
	return nil
}

type transactional struct{ producer sarama.SyncProducer }

func (client) Transactional(id string) (interop.Transactional, error) {
	config := config()
	config.Net.MaxOpenRequests = 1
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Transaction.ID = id
	config.Producer.Partitioner = sarama.NewManualPartitioner
	producer, err := sarama.NewSyncProducer(brokers(), config)
	return transactional{producer}, err
}

func (t transactional) Begin() error { return t.producer.BeginTxn() }

func (t transactional) Send(topic, value string) error {
	_, _, err := t.producer.SendMessage(
		&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)},
	)
	return err
}

func (t transactional) Offsets(group, topic string, offset int64) error {
	offsets := map[string][]*sarama.PartitionOffsetMetadata{topic: {{Partition: 0, Offset: offset}}}
	return t.producer.AddOffsetsToTxn(offsets, group)
}

func (t transactional) Commit() error { return t.producer.CommitTxn() }

func (t transactional) Abort() error { return t.producer.AbortTxn() }

func (client) ReadCommitted(topic string, count int) ([]string, error) {
	config := config()
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	consumer, err := sarama.NewConsumer(brokers(), config)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	defer partition.Close()
	var values []string
	for len(values) < count {
		values = append(values, string((<-partition.Messages()).Value))
	}
	return values, nil
}

func (client) ErrorCode(err error) string {
	var refused sarama.KError
	if errors.As(err, &refused) {
		return strconv.Itoa(int(refused))
	}
	var topic *sarama.TopicError
	if errors.As(err, &topic) {
		return strconv.Itoa(int(topic.Err))
	}
	return "?"
}
