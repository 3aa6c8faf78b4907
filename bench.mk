# Speed. `make bench` builds the release program and compares it with a bare proxy, `make bench-micro` measures its steps;
# docs/performance.md explains the figures.

CARGO ?= cargo
ROUNDS ?= 5
WINDOW_MS ?= 1000
BENCH_ARGS ?=

.PHONY: bench bench-floor bench-reload bench-micro

bench: ## Compare CPU, latency and memory with a bare proxy (ROUNDS=5 WINDOW_MS=1000 BENCH_ARGS=…)
	$(CARGO) bench --profile release --bench load -- --rounds $(ROUNDS) --window-ms $(WINDOW_MS) $(BENCH_ARGS)

bench-floor: override BENCH_ARGS += --subject floor
bench-floor: bench ## Compare the bare proxy with itself: how far figures scatter on this machine

bench-reload: ## Compare latencies without and with a reload every 200 ms (ROUNDS=5; ARGS="--rate 500 --every-ms 200")
	$(CARGO) bench --profile release --bench load -- --rounds $(ROUNDS) $(BENCH_ARGS) reload $(ARGS)

bench-micro: ## Measure the steps by themselves: parse, encode, decode, frames, a whole call (ARGS=encode for some)
	$(CARGO) bench --profile release --bench micro -- $(ARGS)
