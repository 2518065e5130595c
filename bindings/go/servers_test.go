package arrowredis_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// redisServer is a real server on a free port, in a folder of its own.
type redisServer struct {
	address string
	process *os.Process
}

// startRedis starts a server that stops with the test. A test that needs one fails when there is none.
func startRedis(t testing.TB) *redisServer {
	t.Helper()
	for range 5 {
		port := freePort(t)
		// Somebody else may take the port before the server does: then another one is tried.
		command := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", fmt.Sprint(port), "--save", "",
			"--dir", t.TempDir())
		if err := command.Start(); err != nil {
			t.Fatalf("redis-server cannot be started: %v", err)
		}
		exited := make(chan struct{})
		go func() {
			_ = command.Wait()
			close(exited)
		}()
		server := &redisServer{address: fmt.Sprintf("127.0.0.1:%d", port), process: command.Process}
		if server.answers(exited) {
			t.Cleanup(func() {
				_ = command.Process.Kill()
				<-exited
			})
			return server
		}
		_ = command.Process.Kill()
		<-exited
	}
	t.Fatal("redis-server does not answer")
	return nil
}

func (s *redisServer) url() string { return "redis://" + s.address }

func (s *redisServer) answers(exited <-chan struct{}) bool {
	for range 1000 {
		if _, err := s.command("PING"); err == nil {
			return true
		}
		select {
		case <-exited:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return false
}

// command sends an inline command on a connection of its own, and returns the reply's text.
func (s *redisServer) command(line string) (string, error) {
	connection, err := net.DialTimeout("tcp", s.address, time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(connection, "%s\r\n", line); err != nil {
		return "", err
	}
	reader := bufio.NewReader(connection)
	first, err := reader.ReadString('\n')
	if err != nil {
		return "", err
	}
	first = strings.TrimSpace(first)
	var length int
	if _, err := fmt.Sscanf(first, "$%d", &length); err == nil && length >= 0 {
		body := make([]byte, length)
		_, err := io.ReadFull(reader, body)
		return string(body), err
	}
	return first, nil
}

// clients is how many connections the server has, but for the one that asks.
func (s *redisServer) clients(t testing.TB) int {
	t.Helper()
	info, err := s.command("INFO clients")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(info, "connected_clients:")
	var count int
	if _, err := fmt.Sscan(rest, &count); err != nil {
		t.Fatalf("%q: %v", info, err)
	}
	return count - 1
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

// proxy stands before a server, and can swallow what the server says: a black hole.
type proxy struct {
	listener net.Listener
	target   string

	mu          sync.Mutex
	swallow     bool
	connections []net.Conn
}

// startProxy starts a proxy that stops with the test. Without a target it swallows everything from the start.
func startProxy(t testing.TB, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, swallow: target == ""}
	go p.serve()
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, connection := range p.connections {
			_ = connection.Close()
		}
	})
	return p
}

func (p *proxy) url() string { return "redis://" + p.listener.Addr().String() }

// swallows turns the black hole on or off.
func (p *proxy) swallows(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallow = on
}

func (p *proxy) swallowing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.swallow
}

func (p *proxy) keep(connection net.Conn) net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connections = append(p.connections, connection)
	return connection
}

func (p *proxy) serve() {
	for {
		accepted, err := p.listener.Accept()
		if err != nil {
			return
		}
		client := p.keep(accepted)
		if p.target == "" {
			go func() { _, _ = io.Copy(io.Discard, client) }()
			continue
		}
		dialled, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		server := p.keep(dialled)
		go p.forward(server, client)
		go p.forward(client, server)
	}
}

func (p *proxy) forward(from, to net.Conn) {
	defer func() { _ = to.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !p.swallowing() {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// python runs the repository's interpreter, which has pyarrow, on a script of testdata.
func python(t testing.TB, script string, arguments ...string) string {
	t.Helper()
	interpreter, err := filepath.Abs("../../.venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(interpreter, append([]string{filepath.Join("testdata", script)}, arguments...)...)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v (make setup installs pyarrow)", script, err)
	}
	return string(output)
}
