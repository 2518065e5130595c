module github.com/arrowredis/arrowredis/benches/peers/go

go 1.26.0

require (
	github.com/apache/arrow-go/v18 v18.8.0
	github.com/arrowredis/arrowredis/bindings/go v0.1.0
	github.com/google/flatbuffers v25.12.19+incompatible
	github.com/redis/go-redis/v9 v9.23.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/goccy/go-json v0.10.6 // indirect
	github.com/klauspost/compress v1.19.2 // indirect
	github.com/klauspost/cpuid/v2 v2.4.0 // indirect
	github.com/pierrec/lz4/v4 v4.1.29 // indirect
	github.com/zeebo/xxh3 v1.1.0 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	golang.org/x/exp v0.0.0-20260112195511-716be5621a96 // indirect
	golang.org/x/sys v0.48.0 // indirect
)

replace github.com/arrowredis/arrowredis/bindings/go => ../../../bindings/go
