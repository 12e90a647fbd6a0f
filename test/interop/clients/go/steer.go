package interop

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Steered is a consumer that pauses and seeks.
type Steered interface {
	// Poll answers what came within a short time: a partition and an offset each.
	Poll() ([][2]int64, error)
	Pause(partition int32) error
	Resume(partition int32) error
	Seek(partitions []int32, offset int64) error
	Close() error
}

func steer(client Client, topic, group string) error {
	consumer, err := client.Steered(topic, group)
	if err != nil {
		return err
	}
	var seen [2]int
	read := func(counts [2]int) error {
		for seen != counts {
			records, err := consumer.Poll()
			if err != nil {
				return err
			}
			for _, record := range records {
				seen[record[0]]++
				fmt.Printf("{\"partition\": %d, \"offset\": %d}\n", record[0], record[1])
			}
		}
		return nil
	}
	steps := []struct {
		name   string
		do     func() error
		counts [2]int
	}{
		{"", func() error { return nil }, [2]int{20, 20}},
		{"pause", func() error { return consumer.Pause(0) }, [2]int{20, 25}},
		{"resume", func() error { return consumer.Resume(0) }, [2]int{25, 25}},
		{"seek", func() error { seen = [2]int{}; return consumer.Seek([]int32{0, 1}, 5) }, [2]int{20, 20}},
	}
	for _, step := range steps {
		// What is paused is paused when it is said; what goes on may go on at once.
		if step.name != "" && step.name != "pause" {
			fmt.Printf("{\"did\": %q}\n", step.name)
		}
		if err := step.do(); err != nil {
			return err
		}
		if step.name == "pause" {
			fmt.Println("{\"did\": \"pause\"}")
		}
		if err := read(step.counts); err != nil {
			return err
		}
	}
	return consumer.Close()
}

func administer(client Client, topic, group string, out *json.Encoder) error {
	answer := map[string]any{}
	// The first error ends it all; the rest of the steps is skipped.
	var failed error
	try := func(step func() error) {
		if failed == nil {
			failed = step()
		}
	}
	see := func(name string, read func() (any, error), wanted any) {
		try(func() error {
			seen, err := soon(read, wanted)
			answer[name] = seen
			return err
		})
	}
	partitions := func() (any, error) {
		found, err := client.Metadata()
		return found.Topics[topic], err
	}
	listed := func() (any, error) {
		groups, err := client.Groups()
		return slices.Contains(groups, group), err
	}
	try(func() error { return client.Create(topic, 2, nil) })
	try(func() error {
		answer["again"] = json.Number(client.ErrorCode(client.Create(topic, 2, nil)))
		return nil
	})
	try(func() error { return client.CreatePartitions(topic, 3) })
	see("partitions", partitions, 3)
	try(func() error { return client.Alter(topic, "retention.ms", "123456789") })
	see("retention", func() (any, error) {
		configs, err := client.Configs(topic)
		return configs["retention.ms"], err
	}, "123456789")
	records := []Record{{Value: []byte("x")}, {Value: []byte("x")}, {Value: []byte("x")}}
	try(func() error { return client.Produce(topic, records, Options{Codec: "none"}) })
	try(func() error { return client.DeleteRecords(topic, 2) })
	see("earliest", func() (any, error) { return client.Offset(topic, At{Name: "earliest"}) }, int64(2))
	see("listed", listed, true)
	see("state", func() (any, error) { return client.GroupState(group) }, "Empty")
	try(func() error { return client.DeleteGroup(group) })
	see("left", listed, false)
	try(func() error { return client.Delete(topic) })
	see("deleted", func() (any, error) {
		count, err := partitions()
		return count == 0, err
	}, true)
	if failed != nil {
		return failed
	}
	return out.Encode(answer)
}

// What read answers once it is as wanted, or at last: a change may take a moment to be seen.
func soon(read func() (any, error), wanted any) (any, error) {
	seen, err := read()
	for left := 50; left > 0 && err == nil && seen != wanted; left-- {
		time.Sleep(100 * time.Millisecond)
		seen, err = read()
	}
	return seen, err
}
