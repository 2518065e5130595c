package arrowredis_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	arrowredis "github.com/arrowredis/arrowredis/bindings/go"
)

const (
	// The environment variable that makes the test binary the child below; its value is the store's URL.
	budgetChild = "ARROWREDIS_TEST_BUDGET_CHILD"
	budgetBytes = 32 << 20
	// 36 MB of Arrow data in chunks of 140 KB: without a common budget, 64 reads would look ahead 8 MiB each.
	budgetBatches, budgetRows = 64, 2000
	budgetReaders             = 64
)

// 64 goroutines read from one store, each stopping after its first batch: what they all have fetched ahead by then is
// within the process's budget. The budget is the process's, hence a process of its own.
func Test64GoroutinesReadWithinTheBudget(t *testing.T) {
	redis := startRedis(t)
	store := openStore(t, redis.url())
	source, err := arrowredis.Generate(t.Context(), &arrowredis.GenerateOptions{
		Partitions: 4, Batches: budgetBatches, Rows: budgetRows,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Release()
	if _, err := store.Split(t.Context(), "demo", source, nil); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), budgetChild+"="+redis.url())
	if output, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	} else {
		t.Logf("%s", output)
	}
}

func readWithinBudget() int {
	if err := errors.Join(budgetJob()); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func budgetJob() error {
	if err := arrowredis.Configure(arrowredis.RuntimeOptions{MaxInflightBytes: budgetBytes}); err != nil {
		return err
	}
	store, err := arrowredis.OpenStore(os.Getenv(budgetChild), nil)
	if err != nil {
		return err
	}
	dataset, err := store.Dataset(context.Background(), "demo")
	if err != nil {
		return err
	}
	if err := arrowredis.Configure(arrowredis.RuntimeOptions{}); !errors.Is(err, arrowredis.ErrConflict) {
		return fmt.Errorf("settings made too late: %v", err)
	}
	before, err := anonymousBytes()
	if err != nil {
		return err
	}
	var first, all sync.WaitGroup
	first.Add(budgetReaders)
	proceed := make(chan struct{})
	failures := make(chan error, budgetReaders)
	for range budgetReaders {
		all.Go(func() { failures <- readSlowly(dataset, &first, proceed) })
	}
	first.Wait()
	time.Sleep(300 * time.Millisecond) // time to fetch ahead, for those who would
	peak, err := anonymousBytes()
	close(proceed)
	all.Wait()
	close(failures)
	for failure := range failures {
		err = errors.Join(err, failure)
	}
	if err := errors.Join(err, dataset.Close(), store.Close()); err != nil {
		return err
	}
	// Beside the budget: a chunk that each read may always have, its batch, its stacks, and what the allocator keeps.
	grown, allowed := peak-before, int64(budgetBytes+budgetReaders*(2<<20))
	fmt.Printf("grown by %d MiB, %d MiB allowed\n", grown>>20, allowed>>20)
	if grown > allowed || arrowredis.LiveHandles() != 0 {
		return fmt.Errorf("%d live handles", arrowredis.LiveHandles())
	}
	return nil
}

func readSlowly(dataset *arrowredis.Dataset, first *sync.WaitGroup, proceed <-chan struct{}) error {
	reader, err := dataset.Read(context.Background(), nil)
	if err != nil {
		first.Done()
		return err
	}
	defer reader.Release()
	more, rows := reader.Next(), int64(0)
	first.Done()
	<-proceed
	for ; more; more = reader.Next() {
		rows += reader.RecordBatch().NumRows()
	}
	if rows != 4*budgetBatches*budgetRows && reader.Err() == nil {
		return fmt.Errorf("%d rows", rows)
	}
	return reader.Err()
}

// anonymousBytes is the process's memory that no file backs.
func anonymousBytes() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(status), "RssAnon:")
	var kilobytes int64
	if _, err := fmt.Sscan(rest, &kilobytes); !found || err != nil {
		return 0, fmt.Errorf("no RssAnon in /proc/self/status: %v", err)
	}
	return kilobytes << 10, nil
}
