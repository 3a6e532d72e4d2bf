// The C shim over Google Benchmark: the only C++ file.
#include "measure/gbench.h"

#include <benchmark/benchmark.h>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

// Takes what Google Benchmark measured and prints nothing.
class Collector : public benchmark::BenchmarkReporter {
  public:
    Collector(const std::map<std::string, size_t> &index, double *ns) : index_(index), ns_(ns) {}
    bool ReportContext(const Context &) override {
        return true;
    }
    void ReportRuns(const std::vector<Run> &runs) override {
        for (const Run &run : runs) {
            const auto found = index_.find(run.run_name.function_name);
            if (found == index_.end() || run.error_occurred || run.iterations == 0) continue;
            ns_[found->second] = run.real_accumulated_time * 1e9 / double(run.iterations);
            seen_++;
        }
    }
    size_t seen() const {
        return seen_;
    }

  private:
    const std::map<std::string, size_t> &index_;
    double *ns_;
    size_t seen_ = 0;
};

void run_item(benchmark::State &state, const sm_timed &item) {
    item.place(item.arg);
    item.call(item.arg); // after a switch of kernels nothing is warm
    item.before(item.arg);
    if (item.timer) {
        for (auto _ : state) state.SetIterationTime(item.timer(item.arg, item.iterations) * 1e-9);
    } else {
        for (auto _ : state) item.call(item.arg);
    }
    item.after(item.arg);
}

} // namespace

extern "C" int sm_gbench_round(const sm_timed *items, size_t count, double *ns) {
    std::map<std::string, size_t> index;
    for (size_t i = 0; i < count; i++) {
        const sm_timed &item = items[i];
        const std::string name = std::to_string(i) + ":" + item.name;
        index[name] = i;
        benchmark::internal::Benchmark *made = benchmark::RegisterBenchmark(
            name.c_str(), [&item](benchmark::State &state) { run_item(state, item); });
        if (item.timer)
            made->Iterations(1)->UseManualTime();
        else
            made->Iterations(item.iterations)->UseRealTime();
    }
    Collector collector(index, ns);
    benchmark::RunSpecifiedBenchmarks(&collector);
    benchmark::ClearRegisteredBenchmarks();
    return collector.seen() == count ? 0 : -1;
}

extern "C" int sm_gbench_write_json(FILE *stream, const sm_gbench_series *series, size_t count) {
    using Run = benchmark::BenchmarkReporter::Run;
    std::ostringstream out;
    benchmark::JSONReporter reporter;
    reporter.SetOutputStream(&out);
    reporter.SetErrorStream(&out);
    reporter.ReportContext(benchmark::BenchmarkReporter::Context());
    for (size_t i = 0; i < count; i++) {
        std::vector<Run> runs;
        for (size_t j = 0; j < series[i].count; j++) {
            Run run;
            run.run_name.function_name = series[i].name;
            run.run_type = Run::RT_Iteration;
            run.family_index = int64_t(i);
            run.per_family_instance_index = 0;
            run.threads = series[i].threads;
            run.iterations = 1;
            run.repetitions = int64_t(series[i].count);
            run.repetition_index = int64_t(j);
            run.time_unit = benchmark::kNanosecond;
            run.real_accumulated_time = series[i].ns[j] * 1e-9;
            run.cpu_accumulated_time = series[i].ns[j] * 1e-9;
            runs.push_back(run);
        }
        if (!runs.empty()) reporter.ReportRuns(runs);
    }
    reporter.Finalize();
    const std::string text = out.str();
    return fwrite(text.data(), 1, text.size(), stream) == text.size() ? 0 : -1;
}
