package arrowredis

import (
	"context"
	"log/slog"
	"sync"
)

// LevelTrace is the level of the library's most detailed records, below [slog.LevelDebug].
const LevelTrace = slog.LevelDebug - 4

const (
	logCapacity = 1024
	// How long the library waits for a record before it is asked again; stopping does not wait for it.
	logWaitMilliseconds = 60_000
)

type logRecord struct {
	level           int32
	target, message string
}

// The library has one queue of records for the process.
var logging sync.Mutex

// StartLog sends the library's log records to a logger, those of the levels that it is enabled for now, until stop is
// called; stop sends what is left first. It fails with [ErrConflict] while the records go to another logger.
//
// Each record has the attribute "target": the module of the library that it comes from.
func StartLog(logger *slog.Logger) (stop func(), err error) {
	if !logging.TryLock() {
		return nil, newError(ErrConflict, "log records go to another logger already: stop that first")
	}
	level := wantedLevel(logger)
	if err := logSetQueue(level, logCapacity); err != nil {
		logging.Unlock()
		return nil, err
	}
	stopping, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		pump(logger, stopping)
	}()
	var once sync.Once
	return func() {
		once.Do(func() {
			drain(logger)
			close(stopping)
			// It ends the queue, which wakes the goroutine.
			_ = logSetQueue(logOff, logCapacity)
			<-stopped
			logging.Unlock()
		})
	}, nil
}

func pump(logger *slog.Logger, stopping <-chan struct{}) {
	dropped := logDropped()
	for {
		record, found, err := logNext(logWaitMilliseconds)
		if err != nil {
			logger.Warn("arrowredis: log records are lost", "error", err)
			return
		}
		if found {
			send(logger, record)
		}
		if now := logDropped(); now != dropped {
			logger.Warn("arrowredis: log records were dropped, the logger is too slow", "records", now-dropped)
			dropped = now
		}
		select {
		case <-stopping:
			return
		default:
		}
	}
}

func drain(logger *slog.Logger) {
	for {
		record, found, err := logNext(0)
		if err != nil || !found {
			return
		}
		send(logger, record)
	}
}

func send(logger *slog.Logger, record logRecord) {
	level := LevelTrace
	switch record.level {
	case logError:
		level = slog.LevelError
	case logWarn:
		level = slog.LevelWarn
	case logInfo:
		level = slog.LevelInfo
	case logDebug:
		level = slog.LevelDebug
	}
	logger.LogAttrs(context.Background(), level, record.message, slog.String("target", record.target))
}

// wantedLevel is the library's level for what the logger is enabled for.
func wantedLevel(logger *slog.Logger) int32 {
	levels := []struct {
		level  slog.Level
		native int32
	}{
		{LevelTrace, logTrace}, {slog.LevelDebug, logDebug}, {slog.LevelInfo, logInfo},
		{slog.LevelWarn, logWarn}, {slog.LevelError, logError},
	}
	for _, l := range levels {
		if logger.Enabled(context.Background(), l.level) {
			return l.native
		}
	}
	return logOff
}
