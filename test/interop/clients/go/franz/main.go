// Franz-go: direct consumption of a partition, no group.
package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"millrace/interop"
)

type client struct{ ctx context.Context }

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	interop.Main(client{ctx})
}

func open(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options, kgo.SeedBrokers(interop.Bootstrap()))...)
}

func admin() *kadm.Client {
	cl, err := open()
	if err != nil {
		panic(err)
	}
	return kadm.NewClient(cl)
}

func (client) Version() string { return interop.ModuleVersion("github.com/twmb/franz-go") }

func (c client) Metadata() (interop.Metadata, error) {
	found, err := admin().Metadata(c.ctx)
	answer := interop.Metadata{Topics: map[string]int{}}
	for _, node := range found.Brokers {
		answer.Brokers = append(answer.Brokers, fmt.Sprintf("%s:%d", node.Host, node.Port))
		answer.Controller = answer.Controller || node.NodeID == found.Controller
	}
	for name, topic := range found.Topics {
		answer.Topics[name] = len(topic.Partitions)
	}
	return answer, err
}

func (c client) Create(topic string, partitions int, configs map[string]*string) error {
	answer, err := admin().CreateTopics(c.ctx, int32(partitions), 1, configs, topic)
	if err != nil {
		return err
	}
	return answer[topic].Err
}

func (c client) Delete(topic string) error {
	answer, err := admin().DeleteTopics(c.ctx, topic)
	if err != nil {
		return err
	}
	return answer[topic].Err
}

func (c client) Configs(topic string) (map[string]string, error) {
	found, err := admin().DescribeTopicConfigs(c.ctx, topic)
	if err != nil {
		return nil, err
	}
	configs := map[string]string{}
	for _, config := range found[0].Configs {
		configs[config.Key] = config.MaybeValue()
	}
	return configs, found[0].Err
}

func (c client) Offset(topic string, at interop.At) (int64, error) {
	var found kadm.ListedOffsets
	var err error
	switch {
	case at.IsTime:
		found, err = admin().ListOffsetsAfterMilli(c.ctx, at.Offset, topic)
	case at.Name == "earliest":
		found, err = admin().ListStartOffsets(c.ctx, topic)
	case at.Name == "max-timestamp":
		found, err = admin().ListMaxTimestampOffsets(c.ctx, topic)
	default:
		found, err = admin().ListEndOffsets(c.ctx, topic)
	}
	if err != nil {
		return 0, err
	}
	offset, _ := found.Lookup(topic, 0)
	return offset.Offset, offset.Err
}

func (c client) Produce(topic string, records []interop.Record, options interop.Options) error {
	codec := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[options.Codec]
	settings := []kgo.Opt{
		kgo.ProducerBatchCompression(codec),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(500 * time.Millisecond),
		kgo.ProducerBatchMaxBytes(10_000_000),
		kgo.AllowAutoTopicCreation(),
	}
	if !options.Idempotent {
		settings = append(settings, kgo.DisableIdempotentWrite())
	}
	cl, err := open(settings...)
	if err != nil {
		return err
	}
	defer cl.Close()
	sent := make([]*kgo.Record, len(records))
	for i, record := range records {
		sent[i] = &kgo.Record{Topic: topic, Key: record.Key, Value: record.Value}
		if record.Timestamp != nil {
			sent[i].Timestamp = time.UnixMilli(*record.Timestamp)
		}
		for _, header := range record.Headers {
			sent[i].Headers = append(sent[i].Headers, kgo.RecordHeader(header))
		}
	}
	return cl.ProduceSync(c.ctx, sent...).FirstErr()
}

func (c client) Consume(topic string, from interop.At, count int, onRecord func(interop.Record)) error {
	at := kgo.NewOffset().At(from.Offset)
	if from.IsTime {
		at = kgo.NewOffset().AfterMilli(from.Offset)
	} else if from.Name == "earliest" {
		at = kgo.NewOffset().AtStart()
	}
	cl, err := open(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: at}}),
		kgo.FetchMaxWait(500*time.Millisecond),
	)
	if err != nil {
		return err
	}
	defer cl.Close()
	for count > 0 {
		fetches := cl.PollRecords(c.ctx, count)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			timestamp := record.Timestamp.UnixMilli()
			var headers []interop.Header
			for _, header := range record.Headers {
				headers = append(headers, interop.Header(header))
			}
			onRecord(interop.Record{
				Offset: record.Offset, Timestamp: &timestamp, Key: record.Key, Value: record.Value, Headers: headers,
			})
			count--
		})
	}
	return nil
}

type transactional struct {
	ctx context.Context
	cl  *kgo.Client
	id  string
}

func (c client) Transactional(id string) (interop.Transactional, error) {
	cl, err := open(
		kgo.TransactionalID(id),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.AllowAutoTopicCreation(),
	)
	if err != nil {
		return nil, err
	}
	// It asks for its producer id when it is first needed.
	_, _, err = cl.ProducerID(c.ctx)
	return transactional{c.ctx, cl, id}, err
}

func (t transactional) Begin() error { return t.cl.BeginTransaction() }

func (t transactional) Send(topic, value string) error {
	return t.cl.ProduceSync(t.ctx, &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr()
}

// The client itself has offsets in transactions only for a group that it consumes with.
func (t transactional) Offsets(group, topic string, offset int64) error {
	producerID, producerEpoch, err := t.cl.ProducerID(t.ctx)
	if err != nil {
		return err
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.Group = t.id, group
	add.ProducerID, add.ProducerEpoch = producerID, producerEpoch
	added, err := add.RequestWith(t.ctx, t.cl)
	if err == nil {
		err = kerr.ErrorForCode(added.ErrorCode)
	}
	if err != nil {
		return err
	}
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.Group = t.id, group
	commit.ProducerID, commit.ProducerEpoch = producerID, producerEpoch
	commit.Generation = -1
	partition := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	partition.Offset = offset
	commit.Topics = []kmsg.TxnOffsetCommitRequestTopic{
		{Topic: topic, Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{partition}},
	}
	committed, err := commit.RequestWith(t.ctx, t.cl)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(committed.Topics[0].Partitions[0].ErrorCode)
}

func (t transactional) Commit() error { return t.cl.EndTransaction(t.ctx, kgo.TryCommit) }

func (t transactional) Abort() error { return t.cl.EndTransaction(t.ctx, kgo.TryAbort) }

func (c client) ReadCommitted(topic string, count int) ([]string, error) {
	cl, err := open(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(500*time.Millisecond),
	)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var values []string
	for len(values) < count {
		fetches := cl.PollRecords(c.ctx, count)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(record *kgo.Record) { values = append(values, string(record.Value)) })
	}
	return values, nil
}

func (client) ErrorCode(err error) string {
	var refused *kerr.Error
	if errors.As(err, &refused) {
		return strconv.Itoa(int(refused.Code))
	}
	return "?"
}
