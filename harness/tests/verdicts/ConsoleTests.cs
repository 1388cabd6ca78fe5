using FsCheck.Fluent;
using Gauntlet.Harness.Verdicts;
using Gauntlet.Results.Records;
using static Gauntlet.Harness.Tests.Verdicts.Consoles;

namespace Gauntlet.Harness.Tests.Verdicts;

public sealed class ConsoleTests
{
    [Fact]
    public void EveryResultLineIsASubtest()
    {
        var report = Report("""
            enabling apic
            PASS: msr: IA32_SYSENTER_CS: write
            FAIL: msr: EFER
            SKIP: pcid: not supported
            XFAIL: x
            XPASS: y
            KFAIL: z
            INFO: nothing
             PASS: not at the start
            PASSED: no such word
            ABORT: out of memory
            SUMMARY: 7 tests, 3 unexpected failures, 1 skipped
            """);
        Assert.Equal(
            [
                new Subtest("msr: IA32_SYSENTER_CS: write", Verdict.Pass), new Subtest("msr: EFER", Verdict.Fail), new Subtest("pcid: not supported", Verdict.Skip),
                new Subtest("x", Verdict.KnownFail), new Subtest("y", Verdict.UnexpectedPass), new Subtest("z", Verdict.KnownFail), new Subtest("out of memory", Verdict.Fail, "aborted"),
            ],
            report.Subtests);
        Assert.Equal((7, 3, 1), (report.SubtestCount, report.Failures, report.Skips));
        Assert.Equal(("msr: EFER", "out of memory"), (report.FirstFailure, report.Abort));
        Assert.Equal("7 tests, 3 unexpected failures, 1 skipped", report.Summary);
    }

    [Fact]
    public void MeasurementsAreByNameAndUnit()
    {
        var report = Report("MEASURE: cpuid 10250 ns\nMEASURE: inl from pmtimer 1.5e3 cycles\nMEASURE: cpuid 10300 ns\nMEASURE: broken\nMEASURE: x NaN ns\nMEASURE: y 1\n");
        Assert.Equal([new("cpuid ns", 10300), new("inl from pmtimer cycles", 1500)], report.Measurements.OrderBy(pair => pair.Key, StringComparer.Ordinal));
    }

    [Fact]
    public void CarriageReturnsAndColoursAreNoPartOfALine()
    {
        var report = Report("PASS: a\r\n\x1b[32mPASS: b\x1b[0m\r\n\0\0PASS: c\n\x1b[2J\x1b[1;1HFAIL: d");
        Assert.Equal(["a", "b", "c", "d"], report.Subtests.Select(subtest => subtest.Name));
    }

    [Fact]
    public void AGuestThatPrintsForEverIsKeptWithinBounds()
    {
        var monitor = new ConsoleMonitor(Job());
        for (var number = 0; number < 30_000; number++)
            monitor.Line($"PASS: {number}");
        for (var number = 0; number < 30_000; number++)
            monitor.Line($"FAIL: {number}");
        for (var number = 0; number < 10_000; number++)
            monitor.Line($"MEASURE: m{number} 1 ns");
        monitor.Line("FAIL: " + new string('x', 1 << 16));
        var report = monitor.Finish();
        Assert.Equal((60_001, 30_001), (report.SubtestCount, report.Failures));
        Assert.Equal(SubtestCollector.MaxKept + SubtestCollector.MaxLateFailures, report.Subtests.Count);
        Assert.Equal("0", report.FirstFailure);
        Assert.All(report.Subtests, subtest => Assert.True(subtest.Name.Length <= SubtestCollector.MaxNameLength));
        Assert.Equal(2, report.Notes.Count);
        Assert.True(report.Measurements.Count < 10_000);
    }

    [Theory]
    [InlineData("Kernel panic - not syncing: Attempted to kill init!", true)]
    [InlineData("[    0.911847] Kernel panic - not syncing: VFS", true)]
    [InlineData("[    0.911847][    T1] BUG: unable to handle page fault for address: ffffffff", true)]
    [InlineData("<0>[    0.9] Internal error: Oops: 96000004 [#1] SMP", true)]
    [InlineData("[    1.0] Unable to handle kernel NULL pointer dereference at virtual address 0", true)]
    [InlineData("[    1.0] Command line: panic=-1 oops=panic", false)]
    [InlineData("Oops, wrong window", false)]
    [InlineData("", false)]
    public void APanicIsKnownByItsFirstLine(string line, bool panic) => Assert.Equal(panic, KernelPanic.Is(line));

    [Fact]
    public void NoBytesOfAGuestThrowAndNothingUnprintableIsKept()
    {
        var lines = Gen.Elements("PASS: ", "FAIL:", "EXIT: STATUS=", "MEASURE: a ", "99999999999999999999", "\0", "\x1b[", "\x1b", "\r", "\ud800", "\uFFFD", "1", " ", ":", "ns", "\t", "ABORT: ", "SUMMARY: ")
            .ListOf().Select(parts => string.Concat(parts)).ListOf();
        var conventions = Gen.Elements(Enum.GetValues<GuestConvention>());
        Prop.ForAll((from text in lines from convention in conventions select (Lines: text, Convention: convention)).ToArbitrary(), console =>
        {
            var monitor = new ConsoleMonitor(Job(console.Convention, "x", "y"));
            foreach (var line in console.Lines)
                monitor.Line(line);
            var report = monitor.Finish();
            return report.Subtests.All(subtest => !subtest.Name.Any(c => c is < ' ' and not '\t'))
                && report.SubtestCount >= report.Subtests.Count
                && (report.Failures == 0) == (report.FirstFailure is null);
        }).Holds(1000);
    }

    [Fact]
    public void CleaningTwiceChangesNothing() => Prop.ForAll<string>(text =>
    {
        var clean = ConsoleText.Clean(text ?? "");
        return ConsoleText.Clean(clean) == clean;
    }).Holds();
}
