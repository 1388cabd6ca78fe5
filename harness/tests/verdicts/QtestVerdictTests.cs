using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Verdicts;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Tests.Verdicts;

/// <summary>What becomes of a script of qtest that a VMM was given.</summary>
public sealed class QtestVerdictTests
{
    private const int Sigabrt = 6, Sigkill = 9;

    [Fact]
    public void A_VMM_that_answers_all_and_lives_on_passes_whatever_it_refuses()
    {
        var judgement = Judge("OK 0x00ff\nIRQ raise 3\nFAIL Unknown command 'clock_step'\nERR invalid argument size\n", 3, Outlived);
        Assert.Equal(new Judgement(Verdict.Pass, null), judgement);
    }

    [Fact]
    public void A_script_that_does_nothing_is_no_test()
    {
        var judgement = Judge("FAIL Unknown command 'clock_step'\nFAIL Unknown command 'clock_set'\n", 2, Outlived);
        Assert.Equal(Verdict.Fail, judgement.Verdict);
        Assert.Contains("refused every command: FAIL Unknown command 'clock_set'", judgement.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("qemu-system-x86_64: ../hw/i386/intel_iommu.c:3063: vtd_mem_write: Assertion `size == 4' failed.\n", "size == 4")]
    [InlineData("qemu: hardware error: EDU: DMA range out of bounds\nCPU #0:\nXMM06=0\n", "EDU: DMA range")]
    public void A_VMM_that_dies_crashed_with_the_words_that_it_died_with(string errors, string words)
    {
        foreach (var answers in (string[])["", "OK\n", "OK\nOK\n"])
        {
            var judgement = Judge(answers, 2, Consoles.Exit(null, Sigabrt, errors: errors));
            Assert.Equal(Verdict.Crash, judgement.Verdict);
            Assert.Contains(words, judgement.Reason, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_sanitizers_report_is_a_crash()
    {
        var judgement = Judge("OK\n", 2, Consoles.Exit(1, errors: "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x1\n"));
        Assert.Equal(Verdict.Crash, judgement.Verdict);
        Assert.Contains("heap-use-after-free", judgement.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_VMM_that_chooses_to_end_in_the_midst_of_it_crashed_too()
    {
        var judgement = Judge("OK\n", 2, Consoles.Exit(1, errors: "qemu-system-x86_64: virtio: bogus descriptor\n"));
        Assert.Equal((Verdict.Crash, "the VMM ended by itself with status 1 when 1 of 2 commands were answered: qemu-system-x86_64: virtio: bogus descriptor"), (judgement.Verdict, judgement.Reason));
    }

    [Fact]
    public void A_device_that_it_does_not_have_is_a_skip_in_its_own_words()
    {
        var judgement = Judge("", 2, Consoles.Exit(1, errors: "gvmm: -device intel-iommu: 'intel-iommu' is not a valid device model name\n"));
        Assert.Equal(Verdict.Skip, judgement.Verdict);
        Assert.Contains("'intel-iommu' is not a valid device model name", judgement.Reason, StringComparison.Ordinal);
        Assert.Equal(Verdict.InfraError, Judge("", 2, Consoles.Exit(1, errors: "gvmm: -machine microvm: no kernel given\n")).Verdict);
    }

    [Fact]
    public void A_VMM_that_no_longer_answers_times_out()
    {
        var judgement = Judge("OK\n", 2, Consoles.Exit(null, Sigkill, LimitHit.CpuTime));
        Assert.Equal((Verdict.Timeout, "the VMM does not answer: at its limit of 90 s 1 of 2 commands were answered"), (judgement.Verdict, judgement.Reason));
        Assert.Equal(Verdict.Fail, Judge("OK\n", 2, Consoles.Exit(null, Sigkill, LimitHit.Memory)).Verdict);
        Assert.Equal(Verdict.InfraError, Judge("OK\n", 2, Consoles.Exit(null, Sigkill)).Verdict);
    }

    [Fact]
    public void Waiting_ends_with_the_last_answer()
    {
        var monitor = new ConsoleMonitor(Consoles.Job(GuestConvention.Qtest), 2);
        monitor.Line("OK 0x1");
        monitor.Line("OKAY");
        Assert.Null(monitor.EndReason);
        monitor.Line("FAIL no");
        Assert.NotNull(monitor.EndReason);
    }

    private static AttemptExit Outlived => Consoles.Exit(null, Sigkill) with { KilledByCaller = true };

    private static Judgement Judge(string answers, int commands, AttemptExit exit)
    {
        var job = Consoles.Job(GuestConvention.Qtest);
        var monitor = new ConsoleMonitor(job, commands);
        foreach (var line in answers.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            monitor.Line(line);
        return Gauntlet.Harness.Verdicts.Judge.Of(job, Consoles.Plan(debugExit: false) with { QtestCommands = commands }, exit, monitor.Finish());
    }
}
