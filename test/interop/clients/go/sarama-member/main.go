// Sarama as a member of a group.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"millrace/interop"
)

type handler struct{ member *interop.Member }

func (h handler) Setup(session sarama.ConsumerGroupSession) error {
	assigned := slices.Clone(session.Claims()[h.member.Topic])
	slices.Sort(assigned)
	h.member.Assigned(assigned)
	return nil
}

func (h handler) Cleanup(sarama.ConsumerGroupSession) error {
	h.member.Assigned(nil)
	return nil
}

func (h handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			h.member.Read(message.Partition, message.Offset)
			session.MarkMessage(message, "")
			session.Commit()
		case <-session.Context().Done():
			return nil
		}
	}
}

func main() {
	member := interop.NewMember()
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	config.Consumer.Group.Session.Timeout = 10 * time.Second
	group, err := sarama.NewConsumerGroup([]string{interop.Bootstrap()}, member.Group, config)
	if err != nil {
		fail(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-member.Over
		cancel()
	}()
	for ctx.Err() == nil {
		err := group.Consume(ctx, []string{member.Topic}, handler{member})
		if err != nil && !errors.Is(err, sarama.ErrClosedConsumerGroup) && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, err)
			time.Sleep(200 * time.Millisecond)
		}
	}
	if err := group.Close(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
