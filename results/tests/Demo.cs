using System.Text;
using Gauntlet.Results.Records;
using Gauntlet.Results.Store;
using Gauntlet.Results.Tests.Records;

namespace Gauntlet.Results.Tests;

/// <summary>A store with two runs as real ones look: several suites and cells, every verdict, flaky cases, hostile and large consoles.</summary>
internal static class Demo
{
    /// <summary>What a guest prints to get out of whatever shows it.</summary>
    public const string Hostile = "PASS: fine\n</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b]0;owned\a\x1b[2J\u202egnp.exe\u0000\u009b31m ]]> -->\n```\n| a | `b` |\n";

    private static readonly Cell[] Cells =
    [
        new("gvmm", "tcg", "x86_64"), new("gvmm", "kvm", "x86_64"), new("qemu", "tcg", "x86_64"), new("qemu", "kvm", "x86_64"), new("qemu", "tcg", "x86_64", Machine: "q35"),
    ];

    private static readonly (string Suite, string[] Cases)[] Suites =
    [
        ("smoke", ["boot", "console", "exit", "result-lines"]),
        ("cpu", ["flags", "shifts", "mul-div", "string-faults", "segments", "exceptions", "paging", "syscall", "msr", "cpuid", "atomics", "x87", "sse2"]),
        ("devices", ["pit", "pic", "ioapic", "lapic", "uart", "rtc", "fw_cfg", "pci", "debug-exit"]),
        ("kvm-unit-tests/x86", ["access", "apic", "emulator", "eventinj", "hypercall", "idt_test", "ioapic", "memory", "msr", "pcid", "pku", "port80", "realmode", "rmap_chain", "s3", "setjmp", "sieve", "smap", "smptest", "svm", "taskswitch", "tsc", "umip", "vmexit_cpuid", "xsave"]),
    ];

    public static Run Fill(ResultStore store)
    {
        Add(store, "20261119-090000-aa01", "main", "1f0c2e8d9b7a", new DateTime(2026, 11, 19, 9, 0, 0, DateTimeKind.Utc), later: false);
        return Add(store, "20261120-231501-4f2a", "topic/paging", "77b2f40e11c3", new DateTime(2026, 11, 20, 23, 15, 1, DateTimeKind.Utc), later: true);
    }

    private static Run Add(ResultStore store, string id, string branch, string revision, DateTime started, bool later)
    {
        var jobs = (from suite in Suites from name in suite.Cases from cell in Cells where later || name != "sse2" select Samples.Job(name, cell, suite.Suite)).ToList();
        var run = new Run
        {
            Id = id,
            Branch = branch,
            Revision = revision,
            StartedUtc = started,
            State = RunState.Running,
            CommandLine = "gauntlet run --matrix full --suite kvm-unit-tests/x86/unittests.cfg",
            Host = new Dictionary<string, string> { ["host"] = "builder-3", ["kernel"] = "6.1.0-38-amd64", ["cpu"] = "Xeon 8481C × 2", ["memory"] = "24 GB", ["kvm"] = "software" },
            JobCount = jobs.Count,
        };
        store.BeginRun(run, jobs);
        foreach (var (index, job) in jobs.Index())
            store.AddResult(id, Result(store, job, index, later));
        store.EndRun(id, RunState.Finished, started.AddSeconds(194.7));
        return store.FindRun(id)!;
    }

    private static JobResult Result(ResultStore store, Job job, int index, bool later)
    {
        var verdict = (job.Suite, job.Case, job.Cell.Accel) switch
        {
            (_, "svm", "kvm") => Verdict.Skip,
            (_, "pku", _) => Verdict.KnownFail,
            (_, "paging", "tcg") when later => Verdict.Fail,
            (_, "idt_test", "tcg") => Verdict.Timeout,
            (_, "ioapic", "kvm") when job.Cell.Vmm == "gvmm" => later ? Verdict.Crash : Verdict.Pass,
            (_, "smap", "kvm") when later => Verdict.UnexpectedPass,
            (_, "s3", _) => job.Cell.Machine is null ? Verdict.InfraError : Verdict.Pass,
            (_, "taskswitch", _) => later ? Verdict.Pass : Verdict.Fail,
            _ when job.Cell is { Vmm: "qemu", Accel: "kvm" } && job.Suite == "devices" => Verdict.Skip,
            _ => Verdict.Pass,
        };
        var reason = verdict switch
        {
            Verdict.Skip => "host KVM offers no nested state: /sys/module/kvm_amd/parameters/nested is N",
            Verdict.KnownFail => "known: PKRU is not kept over a task switch (ann, until 2027-06-30; known-failures.yaml:12); it was fail",
            Verdict.Fail => "2 of 14 checks failed: write to a read-only page by the supervisor, CR0.WP=1",
            Verdict.Timeout => "still running after 90 s of CPU time at RIP 0x401c2e (irq_wait+0x1e)",
            Verdict.Crash => "the VMM was ended by signal 6 (SIGABRT): Assertion 'irq < 24' failed",
            Verdict.UnexpectedPass => "passes, although it is known to fail: SMAP is not emulated (bob; known-failures.yaml:20)",
            Verdict.InfraError => "the VMM could not be started: Cannot allocate memory (errno 12)",
            _ => null,
        };
        if (verdict == Verdict.Skip)
            return new JobResult { Job = job, Verdict = verdict, Reason = reason };

        var console = new StringBuilder("enabling apic\npaging enabled\ncr0 = 80010011\ncr3 = 1007000\ncr4 = 20\n");
        var subtests = Enumerable.Range(0, 14).Select(i => new Subtest(
            $"{job.Case}: check {i}", verdict is Verdict.Fail && i is 4 or 9 ? Verdict.Fail : i == 7 && job.Case == "pku" ? Verdict.KnownFail : Verdict.Pass,
            i == 4 && verdict == Verdict.Fail ? "error code 3, want 2" : null)).ToList();
        foreach (var subtest in subtests)
            console.Append($"{subtest.Verdict.Name().ToUpperInvariant()}: {subtest.Name}\n");
        if (job.Case == "emulator")
            console.Append(Hostile);
        if (job.Case == "memory")
            console.Insert(0, string.Concat(Enumerable.Range(0, 40_000).Select(i => $"page {i:x8} written and read back\n")));

        var flaky = later && job is { Case: "tsc", Cell.Vmm: "qemu" };
        Artifact[] artifacts = [store.PutArtifact("console.log", new MemoryStream(Encoding.UTF8.GetBytes(console.ToString()))), store.PutArtifact("stderr.log", new MemoryStream([]))];
        var cpu = 0.06 + index % 17 * 0.043 + (later && job.Case == "sieve" ? 3 : 0);
        var attempt = Samples.Attempt(verdict, cpu, artifacts) with
        {
            CommandLine = [$"/usr/bin/{(job.Cell.Vmm == "gvmm" ? "gvmm" : "qemu-system-x86_64")}", "-nodefaults", "-device", "pc-testdev", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4", "-display", "none", "-serial", "stdio", "-machine", $"accel={job.Cell.Accel}", "-kernel", job.Image, "-append", "check 'all' pages"],
            WorkingDirectory = "/tmp/gauntlet run",
            Environment = new Dictionary<string, string> { ["TESTNAME"] = job.Case },
            Reason = reason,
            ExitStatus = verdict == Verdict.Crash ? null : verdict == Verdict.Pass ? 1 : 3,
            Signal = verdict == Verdict.Crash ? 6 : null,
            PeakMemoryBytes = 48 << 20,
            Subtests = subtests,
            Measurements = job.Case == "vmexit_cpuid" ? new Dictionary<string, double> { ["cpuid ns"] = 1250.5 } : new Dictionary<string, double>(),
        };
        var attempts = flaky ? [attempt with { Verdict = Verdict.Fail, Reason = "TSC went backwards by 12 cycles" }, attempt with { Number = 2 }] : new[] { attempt };
        return new JobResult { Job = job, Verdict = verdict, Reason = reason, Flaky = flaky, Attempts = attempts };
    }
}
