package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
)

// Member is what a member program was asked for: GROUP TOPIC [NAME=VALUE]...
type Member struct {
	Group, Topic string
	Settings     map[string]string
	// Over is closed when standard input ends or says something.
	Over chan struct{}
	mu   sync.Mutex
}

// NewMember reads the command line.
func NewMember() *Member {
	member := &Member{Group: os.Args[1], Topic: os.Args[2], Settings: map[string]string{}, Over: make(chan struct{})}
	for _, text := range os.Args[3:] {
		name, value, _ := strings.Cut(text, "=")
		member.Settings[name] = value
	}
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		close(member.Over)
	}()
	return member
}

// Assigned says what the member has now, in order.
func (m *Member) Assigned(partitions []int32) {
	if partitions == nil {
		partitions = []int32{}
	}
	m.say(map[string]any{"assigned": partitions})
}

// Read says that the member has a record.
func (m *Member) Read(partition int32, offset int64) {
	m.say(map[string]any{"partition": partition, "offset": offset})
}

func (m *Member) say(event map[string]any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}
