using FsCheck.Fluent;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Results.Records;
using static Gauntlet.Harness.Tests.Verdicts.Consoles;

namespace Gauntlet.Harness.Tests.Verdicts;

public sealed class JudgeTests
{
    private const string Passing = "enabling apic\nPASS: a\nSUMMARY: 1 tests\n";
    private const string Failing = "PASS: a\nFAIL: b\nSUMMARY: 2 tests, 1 unexpected failures\n";

    // The table of kvm-unit-tests' exit conventions.
    [Theory]
    [InlineData(1, Passing, "", Verdict.Pass, null)]
    [InlineData(1, Passing, "qemu: warning: TCG doesn't support requested feature: CPUID.01H:ECX.x2apic [bit 21]\n", Verdict.Pass, null)]
    [InlineData(1, Passing, "something odd\n", Verdict.Fail, "something odd")]
    [InlineData(0, Passing, "", Verdict.Fail, "without a verdict")]
    [InlineData(0, Passing, "qemu-system-x86_64: terminating on signal 15 from pid 7 (kill)\n", Verdict.InfraError, "SIGTERM")]
    [InlineData(77, "SKIP: no svm\nSUMMARY: 1 tests, 1 skipped\n", "", Verdict.Skip, "no svm")]
    [InlineData(77, "SUMMARY: 0 tests\n", "", Verdict.Skip, "0 tests")]
    [InlineData(3, Failing, "", Verdict.Fail, "1 of 2 checks failed, first: b")]
    [InlineData(3, "Unhandled exception 13 #GP at ip 0000\n", "", Verdict.Fail, "exit code 1")]
    [InlineData(127, "ABORT: no memory\n", "", Verdict.Fail, "aborted: no memory")]
    [InlineData(2, "half a word", "", Verdict.Fail, "by itself with status 2")]
    [InlineData(1, Failing, "", Verdict.Fail, "console has 1 failed")]
    [InlineData(1, "", "", Verdict.InfraError, "console is empty")]
    [InlineData(1, "XPASS: x\n", "", Verdict.Fail, "console has 1 failed")]
    [InlineData(1, "XFAIL: x\nKFAIL: y\nPASS: z\n", "", Verdict.Pass, null)]
    public void TheGuestsWordThroughTheDebugExit(int status, string console, string errors, Verdict verdict, string? reason) =>
        AssertJudged(verdict, reason, Judge(Job(), console, Exit(status, errors: errors)));

    [Fact]
    public void WhatFailsBelowTheVmmIsNoVerdictOnIt() =>
        AssertJudged(Verdict.InfraError, "the L1 died", Judge(Job(), Passing, Exit(1) with { InfraFault = "the L1 died" }));

    [Theory]
    [InlineData(0, "PASS: a\nEXIT: STATUS=1\n", Verdict.Pass, null)]
    [InlineData(1, "PASS: a\nEXIT: STATUS=1\n", Verdict.Pass, null)]
    [InlineData(0, "SKIP: a\n\nEXIT: STATUS=77\n", Verdict.Skip, "skipped: a")]
    [InlineData(0, "FAIL: a\nEXIT: STATUS=3\n", Verdict.Fail, "first: a")]
    [InlineData(0, "EXIT: STATUS=127\n", Verdict.Fail, "aborted")]
    [InlineData(0, "PASS: a\n", Verdict.Fail, "EXIT: STATUS=n")]
    [InlineData(0, "EXIT: STATUS=3\nEXIT: STATUS=1\n", Verdict.Fail, "exit code 1")]
    [InlineData(5, "PASS: a\nEXIT: STATUS=1\n", Verdict.Fail, "status 5")]
    public void TheGuestsWordOnTheConsole(int status, string console, Verdict verdict, string? reason) =>
        AssertJudged(verdict, reason, Judge(Job(), console, Exit(status), debugExit: false));

    // What kvm-unit-tests' runner calls SKIP without looking.
    [Theory]
    [InlineData(1, "qemu-system-x86_64: CPU model 'host' requires KVM or HVF\n", Verdict.Skip, "requires KVM")]
    [InlineData(1, "qemu-system-x86_64: Property 'max-x86_64-cpu.vmx-mbec' not found\n", Verdict.Skip, "vmx-mbec")]
    [InlineData(1, "qemu-system-x86_64: warning: no such thing\nqemu-system-x86_64: -device x: 'x' is not a valid device model name\n", Verdict.Skip, "valid device")]
    [InlineData(1, "Could not access KVM kernel module: No such file or directory\nqemu: failed to initialize kvm: No such file or directory\n", Verdict.Skip, "KVM kernel module")]
    [InlineData(1, "qemu: could not open kernel file '/x': No such file or directory\n", Verdict.InfraError, "couldn't load")]
    [InlineData(1, "qemu: could not load kernel '/x'\n", Verdict.InfraError, "couldn't load")]
    [InlineData(1, "qemu-system-x86_64: -nodefault: invalid option\n", Verdict.InfraError, "invalid option")]
    [InlineData(2, "gvmm: unknown option --frob\n", Verdict.InfraError, "--frob")]
    [InlineData(127, "sh: 1: lkvm: not found\n", Verdict.InfraError, "not found")]
    public void AVmmThatEndsBeforeTheGuestRan(int status, string errors, Verdict verdict, string reason) =>
        AssertJudged(verdict, reason, Judge(Job(), "", Exit(status, errors: errors)));

    [Theory]
    [InlineData(11, "", "SIGSEGV")]
    [InlineData(6, "qemu-system-x86_64: ../hw/x.c:12: f: Assertion `a == b' failed.\n", "Assertion `a == b' failed")]
    [InlineData(6, "qemu: fatal: Trying to execute code outside RAM or ROM at 0x0\n", "outside RAM")]
    [InlineData(4, "", "SIGILL")]
    [InlineData(7, "", "SIGBUS")]
    public void ASignalOfItsOwnIsACrashWhateverTheGuestSaid(int signal, string errors, string reason) =>
        AssertJudged(Verdict.Crash, reason, Judge(Job(), Passing, Exit(null, signal, errors: errors)));

    [Theory]
    [InlineData(1, "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x1\n")]
    [InlineData(1, "../hw/x.c:3:5: runtime error: shift exponent 64 is too large\n")]
    [InlineData(101, "thread 'main' panicked at src/main.rs:1:1:\n")]
    [InlineData(1, "Unhandled exception. System.NullReferenceException: Object reference not set\n")]
    public void ASanitizersReportIsACrash(int status, string errors) => AssertJudged(Verdict.Crash, null, Judge(Job(), Passing, Exit(status, errors: errors)));

    [Fact]
    public void AShellBetweenUsAndTheVmmReportsItsSignals()
    {
        AssertJudged(Verdict.Crash, "SIGABRT", Judge(Job(), "", Exit(134)));
        AssertJudged(Verdict.Crash, "SIGSEGV", Judge(Job(), "", Exit(139), debugExit: false));
        // Through the debug exit that may be the guest's own code, 69.
        AssertJudged(Verdict.Fail, "exit code 69", Judge(Job(), "x", Exit(139)));
    }

    [Theory]
    [InlineData(9, Verdict.InfraError, "want of memory")]
    [InlineData(15, Verdict.InfraError, "SIGTERM")]
    [InlineData(2, Verdict.InfraError, "SIGINT")]
    [InlineData(24, Verdict.Timeout, "SIGXCPU")]
    [InlineData(25, Verdict.Fail, "SIGXFSZ")]
    public void ASignalFromOutsideIsNoCrash(int signal, Verdict verdict, string reason) => AssertJudged(verdict, reason, Judge(Job(), Passing, Exit(null, signal)));

    [Fact]
    public void AFullDiskIsTheHostsFault()
    {
        AssertJudged(Verdict.InfraError, "No space left", Judge(Job(), "PASS: a\n", Exit(1, errors: "qemu: write failed: No space left on device\n")));
        AssertJudged(Verdict.InfraError, "Cannot allocate memory", Judge(Job(), "", Exit(1, errors: "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory\n")));
        AssertJudged(Verdict.Pass, null, Judge(Job(), Passing, Exit(1, errors: "qemu: warning: log: No space left on device\n")));
    }

    [Fact]
    public void AKvmThatRefusesARegisterIsTheHostsFaultThoughTheVmmAborts() => AssertJudged(
        Verdict.InfraError, "MSR 0x10a",
        Judge(Job(), "", Exit(null, 6, errors: "qemu: error: failed to set MSR 0x10a to 0x0\nqemu: kvm.c:2834: kvm_buf_set_msrs: Assertion `ret == n' failed.\n")));

    [Fact]
    public void WhatKvmGivesUpOnIsACrashOrAKnownFailureOfASoftwareKvm()
    {
        const string Errors = "KVM internal error. Suberror: 1\nemulation failure\nEAX=0\n";
        const string OfGvmm = "CPU 0: KVM internal error on vCPU 0: suberror 1, it cannot emulate the instruction\nRAX=0\n";
        AssertJudged(Verdict.KnownFail, "software", Judge(Job(), "x", Exit(70, null, errors: OfGvmm), hostKvm: "software"));
        AssertJudged(Verdict.Crash, "Suberror: 1", Judge(Job(), "x", Exit(null, 9, LimitHit.WallTime, Errors)));
        AssertJudged(Verdict.KnownFail, "software", Judge(Job(), "x", Exit(null, 9, LimitHit.WallTime, Errors), hostKvm: "software"));
        var monitor = Monitor(Job(), "x");
        monitor.ErrorLine("KVM internal error. Suberror: 1");
        Assert.Contains("KVM gave the guest up", monitor.EndReason);
    }

    [Fact]
    public void ALimitIsATimeoutWithTheLastWordOfTheGuest()
    {
        AssertJudged(Verdict.Timeout, "90 s of CPU time; last on its console: PASS: a", Judge(Job(), "PASS: a\n\n", Exit(null, 9, LimitHit.CpuTime)));
        AssertJudged(Verdict.Timeout, "console stayed empty", Judge(Job(), "", Exit(0, null, LimitHit.WallTime)));
        AssertJudged(Verdict.Fail, "printed more", Judge(Job(), "x", Exit(null, 9, LimitHit.Output)));
        AssertJudged(Verdict.Timeout, "makes no progress", Judge(Job(), "x", Exit(null, 9, LimitHit.Stalled)));
        AssertJudged(Verdict.Fail, "more memory", Judge(Job(), "x", Exit(null, 9, LimitHit.Memory)));
    }

    [Theory]
    [InlineData("boot\nlogin: \n", null, 9, Verdict.Pass, null)]
    [InlineData("boot\nlogin: \nKernel panic - not syncing: x\n", 0, null, Verdict.Pass, null)]
    [InlineData("boot\nbad thing\nlogin: \n", 0, null, Verdict.Fail, "bad thing")]
    [InlineData("[    1.234567] Kernel panic - not syncing: VFS: Unable to mount root fs\n", null, 9, Verdict.Fail, "Unable to mount")]
    [InlineData("[    1.234567][    T1] Oops: 0000 [#1] SMP\nlogin: \n", null, 9, Verdict.Fail, "Oops")]
    [InlineData("a Kernel panic - not syncing, quoted\n", 0, null, Verdict.Fail, "^login:")]
    [InlineData("boot\n", 0, null, Verdict.Fail, "without a console line that matches '^login:'; the last one: boot")]
    public void MarkersDecideAtOnce(string console, int? status, int? signal, Verdict verdict, string? reason) =>
        AssertJudged(verdict, reason, Judge(Job(GuestConvention.Marker, "^login:", "bad"), console, Exit(status, signal)));

    [Fact]
    public void AMarkerEndsTheWait()
    {
        var job = Job(GuestConvention.Marker, "^login:");
        Assert.Null(Monitor(job, "boot\n").EndReason);
        Assert.NotNull(Monitor(job, "boot\nlogin: ").EndReason);
        Assert.NotNull(Monitor(job, "Kernel panic - not syncing: x").EndReason);
        Assert.Null(Monitor(Job(), "Kernel panic - not syncing: x").EndReason);
    }

    [Theory]
    [InlineData(0, "", Verdict.Pass)]
    [InlineData(77, "", Verdict.Skip)]
    [InlineData(1, "boom\n", Verdict.Fail)]
    [InlineData(127, "sh: x: not found\n", Verdict.InfraError)]
    public void TheStatusAlone(int status, string errors, Verdict verdict) => AssertJudged(verdict, null, Judge(Job(GuestConvention.ExitStatus), "", Exit(status, errors: errors), debugExit: false));

    [Fact]
    public void ATapGuestMustAlsoEndWell()
    {
        const string Tap = "TAP version 14\n1..1\nok 1 - a\n";
        AssertJudged(Verdict.Pass, null, Judge(Job(GuestConvention.Tap), Tap, Exit(0)));
        AssertJudged(Verdict.Pass, null, Judge(Job(GuestConvention.Tap), Tap, Exit(1)));
        AssertJudged(Verdict.Fail, "status 5", Judge(Job(GuestConvention.Tap), Tap, Exit(5)));
        AssertJudged(Verdict.Crash, "SIGSEGV", Judge(Job(GuestConvention.Tap), Tap, Exit(null, 11)));
    }

    [Fact]
    public void WhateverHappensThereIsAVerdictWithAReasonUnlessItPassed()
    {
        var fragments = Gen.Elements("PASS: a\n", "FAIL: b\n", "SKIP: c\n", "EXIT: STATUS=1\n", "EXIT: STATUS=x\n", "ok 1\n", "1..1\n", "login\n", "SUMMARY: ", "\0", "\x1b[1", "Kernel panic - not syncing", "\n", "é");
        var errors = Gen.Elements("", "warning: x\n", "boom\n", "No space left on device\n", "KVM internal error\n", "terminating on signal 15\n", "AddressSanitizer:\n", "requires KVM\n", "terminating on signal 999\n");
        var attempts = from console in fragments.ListOf()
                       from error in errors.ListOf()
                       from status in Gen.Choose(0, 255)
                       from signal in Gen.Choose(-64, 64)
                       from limit in Gen.Elements(LimitHit.None, LimitHit.None, LimitHit.CpuTime, LimitHit.WallTime, LimitHit.Output)
                       from convention in Gen.Elements(Enum.GetValues<GuestConvention>())
                       from debugExit in Gen.Elements(true, false)
                       select (Console: string.Concat(console), Exit: Exit(signal > 0 ? null : status, signal > 0 ? signal : null, limit, string.Concat(error)), Convention: convention, DebugExit: debugExit);
        Prop.ForAll(attempts.ToArbitrary(), attempt =>
        {
            var judgement = Judge(Job(attempt.Convention, "login", "never"), attempt.Console, attempt.Exit, attempt.DebugExit);
            return judgement.Verdict == Verdict.Pass == (judgement.Reason is null)
                && judgement.Verdict is not (Verdict.KnownFail or Verdict.UnexpectedPass)
                && !(judgement.Reason is { } reason && (reason.Contains('\n') || reason.Contains('\0')));
        }).Holds(1000);
    }

    private static void AssertJudged(Verdict verdict, string? reason, Harness.Verdicts.Judgement judgement)
    {
        Assert.Equal((verdict, verdict == Verdict.Pass), (judgement.Verdict, judgement.Reason is null));
        if (reason is not null)
            Assert.Contains(reason, judgement.Reason);
    }
}
