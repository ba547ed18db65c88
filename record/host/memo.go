package host

import "sync"

// memo keeps what a function made of a key, its error included. Different keys do not wait for each other.
type memo[K comparable, V any] struct {
	mu   sync.Mutex
	kept map[K]func() (V, error)
}

func (m *memo[K, V]) get(key K, read func() (V, error)) (V, error) {
	m.mu.Lock()
	once, ok := m.kept[key]
	if !ok {
		if m.kept == nil {
			m.kept = map[K]func() (V, error){}
		}
		once = sync.OnceValues(read)
		m.kept[key] = once
	}
	m.mu.Unlock()
	return once()
}
