package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/interop"
)

type steered struct {
	ctx   context.Context
	cl    *kgo.Client
	topic string
}

func (c client) Steered(topic, group string) (interop.Steered, error) {
	cl, err := open(
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.FetchMaxWait(100*time.Millisecond),
	)
	return steered{c.ctx, cl, topic}, err
}

func (s steered) Poll() ([][2]int64, error) {
	turn, done := context.WithTimeout(s.ctx, 100*time.Millisecond)
	defer done()
	fetches := s.cl.PollFetches(turn)
	if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	var records [][2]int64
	fetches.EachRecord(func(record *kgo.Record) {
		records = append(records, [2]int64{int64(record.Partition), record.Offset})
	})
	return records, s.ctx.Err()
}

func (s steered) Pause(partition int32) error {
	s.cl.PauseFetchPartitions(map[string][]int32{s.topic: {partition}})
	return nil
}

func (s steered) Resume(partition int32) error {
	s.cl.ResumeFetchPartitions(map[string][]int32{s.topic: {partition}})
	return nil
}

func (s steered) Seek(partitions []int32, offset int64) error {
	to := map[int32]kgo.EpochOffset{}
	for _, partition := range partitions {
		to[partition] = kgo.EpochOffset{Epoch: -1, Offset: offset}
	}
	s.cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{s.topic: to})
	return nil
}

func (s steered) Close() error {
	s.cl.Close()
	return nil
}

func (c client) CreatePartitions(topic string, count int) error {
	answer, err := admin().UpdatePartitions(c.ctx, count, topic)
	if err != nil {
		return err
	}
	return answer.Error()
}

func (c client) Alter(topic, name, value string) error {
	config := kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value}
	answer, err := admin().AlterTopicConfigs(c.ctx, []kadm.AlterConfig{config}, topic)
	if err != nil {
		return err
	}
	return answer[0].Err
}

func (c client) DeleteRecords(topic string, before int64) error {
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 0, before, -1)
	answer, err := admin().DeleteRecords(c.ctx, offsets)
	if err != nil {
		return err
	}
	return answer.Error()
}

func (c client) Groups() ([]string, error) {
	found, err := admin().ListGroups(c.ctx)
	return found.Groups(), err
}

func (c client) GroupState(group string) (string, error) {
	found, err := admin().DescribeGroups(c.ctx, group)
	return found[group].State, err
}

func (c client) DeleteGroup(group string) error {
	answer, err := admin().DeleteGroup(c.ctx, group)
	if err != nil {
		return err
	}
	return answer.Err
}
