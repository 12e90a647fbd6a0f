// Franz-go as a member of a group.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/interop"
)

func main() {
	member := interop.NewMember()
	ctx, cancel := context.WithCancel(context.Background())
	if member.Settings["group.protocol"] == "consumer" {
		// It speaks KIP-848 where its user asks for it by this value of the context.
		ctx = context.WithValue(ctx, "opt_in_kafka_next_gen_balancer_beta", true) //nolint:staticcheck
	}
	var assigned []int32
	change := func(topics map[string][]int32, gained bool) {
		for _, partition := range topics[member.Topic] {
			at := slices.Index(assigned, partition)
			if gained && at < 0 {
				assigned = append(assigned, partition)
			} else if !gained && at >= 0 {
				assigned = slices.Delete(assigned, at, at+1)
			}
		}
		slices.Sort(assigned)
		member.Assigned(assigned)
	}
	lost := func(_ context.Context, _ *kgo.Client, topics map[string][]int32) { change(topics, false) }
	client, err := kgo.NewClient(
		kgo.WithContext(ctx),
		kgo.SeedBrokers(interop.Bootstrap()),
		kgo.ConsumerGroup(member.Group),
		kgo.ConsumeTopics(member.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(300*time.Millisecond),
		kgo.SessionTimeout(10*time.Second),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			change(topics, true)
		}),
		kgo.OnPartitionsRevoked(lost),
		kgo.OnPartitionsLost(lost),
	)
	if err != nil {
		fail(err)
	}
	for {
		select {
		case <-member.Over:
			client.CloseAllowingRebalance()
			cancel()
			return
		default:
		}
		turn, done := context.WithTimeout(ctx, 100*time.Millisecond)
		fetches := client.PollFetches(turn)
		done()
		for _, one := range fetches.Errors() {
			if !errors.Is(one.Err, context.DeadlineExceeded) {
				// The broker is away: it tries again.
				fmt.Fprintln(os.Stderr, one.Err)
			}
		}
		fetches.EachRecord(func(record *kgo.Record) { member.Read(record.Partition, record.Offset) })
		if fetches.NumRecords() > 0 {
			if err := client.CommitUncommittedOffsets(ctx); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		client.AllowRebalance()
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
