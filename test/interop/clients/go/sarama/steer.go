package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"millrace/interop"
)

// A group has no seek: the offset is reset and the next session begins there.
type steered struct {
	group    sarama.ConsumerGroup
	topic    string
	messages chan *sarama.ConsumerMessage
	failed   chan error
	// Ends the present session.
	end context.CancelFunc
	// Offsets that the next session begins with.
	sought map[int32]int64
}

const maxWait = 100 * time.Millisecond

func (client) Steered(topic, group string) (interop.Steered, error) {
	config := config()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.MaxWaitTime = maxWait
	member, err := sarama.NewConsumerGroup(brokers(), group, config)
	s := &steered{group: member, topic: topic, messages: make(chan *sarama.ConsumerMessage), failed: make(chan error, 1), sought: map[int32]int64{}}
	if err == nil {
		s.begin()
	}
	return s, err
}

func (s *steered) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	s.end = cancel
	go func() {
		for ctx.Err() == nil {
			if err := s.group.Consume(ctx, []string{s.topic}, s); err != nil {
				s.failed <- err
				return
			}
		}
	}()
}

func (s *steered) Setup(session sarama.ConsumerGroupSession) error {
	for partition, offset := range s.sought {
		// The one only goes forwards, the other back.
		session.MarkOffset(s.topic, partition, offset, "")
		session.ResetOffset(s.topic, partition, offset, "")
	}
	return nil
}

func (s *steered) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (s *steered) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		select {
		case s.messages <- message:
		case <-session.Context().Done():
			return nil
		}
	}
	return nil
}

func (s *steered) Poll() ([][2]int64, error) {
	select {
	case message := <-s.messages:
		return [][2]int64{{int64(message.Partition), message.Offset}}, nil
	case err := <-s.failed:
		return nil, err
	case <-time.After(60 * time.Second):
		return nil, fmt.Errorf("no record in a minute")
	}
}

func (s *steered) Pause(partition int32) error {
	s.group.Pause(map[string][]int32{s.topic: {partition}})
	// A fetch that is under way still brings records.
	time.Sleep(5 * maxWait)
	return nil
}

func (s *steered) Resume(partition int32) error {
	s.group.Resume(map[string][]int32{s.topic: {partition}})
	return nil
}

func (s *steered) Seek(partitions []int32, offset int64) error {
	s.end()
	for _, partition := range partitions {
		s.sought[partition] = offset
	}
	s.begin()
	return nil
}

func (s *steered) Close() error {
	s.end()
	return s.group.Close()
}

func with(do func(sarama.ClusterAdmin) error) error {
	admin, err := admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	return do(admin)
}

func (client) CreatePartitions(topic string, count int) error {
	return with(func(admin sarama.ClusterAdmin) error {
		return admin.CreatePartitions(topic, int32(count), nil, false)
	})
}

func (client) Alter(topic, name, value string) error {
	return with(func(admin sarama.ClusterAdmin) error {
		entries := map[string]sarama.IncrementalAlterConfigsEntry{
			name: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value},
		}
		return admin.IncrementalAlterConfig(sarama.TopicResource, topic, entries, false)
	})
}

func (client) DeleteRecords(topic string, before int64) error {
	return with(func(admin sarama.ClusterAdmin) error {
		return admin.DeleteRecords(topic, map[int32]int64{0: before})
	})
}

func (client) Groups() (names []string, err error) {
	err = with(func(admin sarama.ClusterAdmin) error {
		found, err := admin.ListConsumerGroups()
		names = slices.Collect(maps.Keys(found))
		return err
	})
	return names, err
}

func (client) GroupState(group string) (state string, err error) {
	err = with(func(admin sarama.ClusterAdmin) error {
		found, err := admin.DescribeConsumerGroups([]string{group})
		if err == nil {
			state = found[0].State
		}
		return err
	})
	return state, err
}

func (client) DeleteGroup(group string) error {
	return with(func(admin sarama.ClusterAdmin) error { return admin.DeleteConsumerGroup(group) })
}
