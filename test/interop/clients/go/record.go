// Package interop is the command line that the Go client programs share; README.md beside this folder describes it.
package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Record is one record as the suite writes it down; bytes are base64 in JSON, nil is null.
type Record struct {
	Offset    int64    `json:"offset"`
	Timestamp *int64   `json:"timestamp"`
	Key       []byte   `json:"key"`
	Value     []byte   `json:"value"`
	Headers   []Header `json:"headers"`
}

// Header is written as a pair.
type Header struct {
	Key   string
	Value []byte
}

// MarshalJSON writes the pair.
func (h Header) MarshalJSON() ([]byte, error) { return json.Marshal([]any{h.Key, h.Value}) }

// UnmarshalJSON reads the pair.
func (h *Header) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&h.Key, &h.Value})
}

// At is a place in a log: a named offset, a number, or a time in milliseconds.
type At struct {
	Name   string
	Offset int64
	IsTime bool
}

// Options of produce.
type Options struct {
	Codec      string
	Idempotent bool
}

// Metadata of the cluster.
type Metadata struct {
	Brokers    []string       `json:"brokers"`
	Controller bool           `json:"controller"`
	Topics     map[string]int `json:"topics"`
}

// Client is what a program gives.
type Client interface {
	Version() string
	Metadata() (Metadata, error)
	Create(topic string, partitions int, configs map[string]*string) error
	Delete(topic string) error
	Configs(topic string) (map[string]string, error)
	Offset(topic string, at At) (int64, error)
	Produce(topic string, records []Record, options Options) error
	Consume(topic string, from At, count int, onRecord func(Record)) error
	// Transactional answers a producer that has the transactional id for itself.
	Transactional(id string) (Transactional, error)
	ReadCommitted(topic string, count int) ([]string, error)
	// Steered answers a consumer of the topic in a group, from the beginning.
	Steered(topic, group string) (Steered, error)
	CreatePartitions(topic string, count int) error
	Alter(topic, name, value string) error
	// DeleteRecords of partition 0 before an offset.
	DeleteRecords(topic string, before int64) error
	Groups() ([]string, error)
	GroupState(group string) (string, error)
	DeleteGroup(group string) error
	ErrorCode(err error) string
}

// Transactional is a producer with a transactional id. Send is done when the record is acknowledged.
type Transactional interface {
	Begin() error
	Send(topic string, value string) error
	Offsets(group string, topic string, offset int64) error
	Commit() error
	Abort() error
}

// Bootstrap is the broker's address.
func Bootstrap() string { return os.Getenv("BOOTSTRAP") }

// Main runs one command.
func Main(client Client) {
	if err := command(client, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "error %s %v\n", client.ErrorCode(err), err)
		os.Exit(1)
	}
}

func command(client Client, name string, args []string) error {
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	answer := json.NewEncoder(out)
	switch name {
	case "version":
		fmt.Fprintln(out, client.Version())
		return nil
	case "metadata":
		found, err := client.Metadata()
		if err != nil {
			return err
		}
		return answer.Encode(found)
	case "create":
		configs := map[string]*string{}
		for _, text := range args[2:] {
			key, value, _ := strings.Cut(text, "=")
			configs[key] = &value
		}
		return client.Create(args[0], int(number(args[1])), configs)
	case "delete":
		return client.Delete(args[0])
	case "configs":
		found, err := client.Configs(args[0])
		if err != nil {
			return err
		}
		return answer.Encode(found)
	case "offset":
		found, err := client.Offset(args[0], parseAt(args[1]))
		fmt.Fprintln(out, found)
		return err
	case "produce":
		records, err := readRecords(args[1])
		if err != nil {
			return err
		}
		return client.Produce(args[0], records, parseOptions(args[2:]))
	case "consume":
		return client.Consume(args[0], parseAt(args[1]), int(number(args[2])), func(record Record) {
			if err := answer.Encode(record); err != nil {
				panic(err)
			}
		})
	case "transact":
		if err := transact(client, args[0], args[1], args[2], args[3]); err != nil {
			return err
		}
		values, err := client.ReadCommitted(args[0], 4)
		if err != nil {
			return err
		}
		return answer.Encode(values)
	case "steer":
		return steer(client, args[0], args[1])
	case "administer":
		return administer(client, args[0], args[1], answer)
	case "consume-text":
		return client.Consume(args[0], At{Name: "earliest"}, int(number(args[1])), func(record Record) {
			out.Write(record.Value)
			out.WriteByte('\n')
		})
	}
	return fmt.Errorf("no command %q", name)
}

func transact(client Client, topic, input, group, id string) error {
	producer, err := client.Transactional(id)
	if err != nil {
		return err
	}
	transactions := []struct {
		values []string
		offset int64
		end    func() error
	}{
		{[]string{"committed 0", "committed 1"}, 1, producer.Commit},
		{[]string{"aborted 0", "aborted 1"}, 99, producer.Abort},
		{[]string{"committed 2"}, 3, producer.Commit},
	}
	for _, transaction := range transactions {
		if err := write(producer, topic, transaction.values...); err != nil {
			return err
		}
		if err := producer.Offsets(group, input, transaction.offset); err != nil {
			return err
		}
		if err := transaction.end(); err != nil {
			return err
		}
	}
	if err := write(producer, topic, "zombie"); err != nil {
		return err
	}
	heir, err := client.Transactional(id)
	if err != nil {
		return err
	}
	if producer.Commit() == nil {
		return fmt.Errorf("a producer commits that has a successor")
	}
	if err := write(heir, topic, "committed 3"); err != nil {
		return err
	}
	return heir.Commit()
}

func write(producer Transactional, topic string, values ...string) error {
	if err := producer.Begin(); err != nil {
		return err
	}
	for _, value := range values {
		if err := producer.Send(topic, value); err != nil {
			return err
		}
	}
	return nil
}

func readRecords(file string) ([]Record, error) {
	input, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer input.Close()
	var records []Record
	for decoder := json.NewDecoder(input); decoder.More(); {
		var record Record
		if err := decoder.Decode(&record); err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

func parseAt(text string) At {
	if time, isTime := strings.CutPrefix(text, "@"); isTime {
		return At{Offset: number(time), IsTime: true}
	}
	if offset, err := strconv.ParseInt(text, 10, 64); err == nil {
		return At{Offset: offset}
	}
	return At{Name: text}
}

func parseOptions(args []string) Options {
	options := Options{Codec: "none"}
	for i, arg := range args {
		if arg == "--codec" {
			options.Codec = args[i+1]
		}
		if arg == "--idempotent" {
			options.Idempotent = true
		}
	}
	return options
}

func number(text string) int64 {
	found, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return found
}
