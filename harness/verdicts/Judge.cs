using System.Globalization;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Verdicts;

/// <summary>
/// Tells an attempt's verdict. Who is at fault comes first: a VMM that died (crash), a host or a command line that can't (infra error), something that this VMM can't do here
/// (skip). Only what remains is the guest's own word, by the job's convention. kvm-unit-tests' runner calls the first three SKIP.
/// </summary>
public static class Judge
{
    /// <summary>Status of a guest that skipped everything: its exit code 38 through isa-debug-exit.</summary>
    private const int SkipStatus = 77;

    /// <summary>Status of a guest that called abort(): exit code 63.</summary>
    private const int AbortStatus = 127;

    /// <summary>A shell that runs a command which a signal ended ends with this and the signal's number.</summary>
    private const int ShellSignalBase = 128;

    /// <summary>The verdict, and the reason where it isn't a pass.</summary>
    /// <param name="console">From a <see cref="ConsoleMonitor"/> that got all its lines.</param>
    /// <param name="hostKvm">The host's kind of KVM, <c>software</c> or <c>hardware</c>; null: not known. What a software KVM can't execute is a known failure of that KVM.</param>
    public static Judgement Of(Job job, LaunchPlan plan, AttemptExit exit, ConsoleReport console, string? hostKvm = null)
    {
        if (exit.InfraFault is { } below)
            return new Judgement(Verdict.InfraError, below);
        var errors = VmmMessages.Read(exit.StandardError);
        if (errors.StoppedByKvm is { } fault)
        {
            return hostKvm == "software"
                ? new Judgement(Verdict.KnownFail, $"known: this host's KVM runs in software and lacks some instructions; {fault}")
                : new Judgement(Verdict.Crash, fault);
        }

        var crash = exit.Signal is { } signal && SignalName.IsFault(signal) ? signal : WrappedSignal(plan, exit, console);
        if (crash is { } number && errors.HostFault is null)
            return new Judgement(Verdict.Crash, $"the VMM died of {SignalName.Of(number)}{Because(errors.Death ?? errors.Assertion ?? errors.LastLine)}");
        if (errors.Death is { } death)
            return new Judgement(Verdict.Crash, $"the VMM reported a fault of its own: {death}");
        if (console.Qtest is { } replies)
            return ByReplies(job, plan, exit, console, errors, replies);
        // Decided while it ran; that the VMM was then ended says nothing.
        if (console.Ending is { } ending)
            return ending;
        if (exit.Limit != LimitHit.None)
            return AtLimit(job, exit, console);
        if (exit.Signal is { } other && crash is null)
            return EndedBy(other, errors);

        var judgement = ByConvention(job, plan, exit, console, errors);
        return judgement.Verdict != Verdict.Pass && errors.HostFault is { } host
            ? new Judgement(Verdict.InfraError, $"the host is at fault: {host}")
            : judgement;
    }

    /// <summary>A script of qtest passes when the VMM outlives it; what it refuses is nothing that it has.</summary>
    private static Judgement ByReplies(Job job, LaunchPlan plan, AttemptExit exit, ConsoleReport console, VmmMessages errors, QtestReplies replies)
    {
        var answered = string.Create(CultureInfo.InvariantCulture, $"{replies.Answered} of {replies.Commands} commands were answered");
        if (exit.Limit is LimitHit.CpuTime or LimitHit.WallTime)
            return new Judgement(Verdict.Timeout, string.Create(CultureInfo.InvariantCulture, $"the VMM does not answer: at its limit of {job.TimeoutSeconds:0.###} s {answered}"));
        if (exit.Limit != LimitHit.None)
            return AtLimit(job, exit, console);
        if (exit.KilledByCaller && replies.AreAll)
        {
            return replies.Accepted > 0
                ? new Judgement(Verdict.Pass, null)
                : new Judgement(Verdict.Fail, $"the VMM did nothing of the script: it refused every command{Because(replies.Refusal)}");
        }
        if (exit.Signal is { } signal)
            return EndedBy(signal, errors);
        // Without an answer it may not have started: its options are the likelier cause.
        if (replies.Answered == 0 && NeverRan(job, plan, exit.ExitStatus ?? -1, console, errors) is { } never)
            return never;
        return new Judgement(Verdict.Crash, $"the VMM ended by itself with status {Number(exit.ExitStatus ?? -1)} when {answered}{Because(errors.LastLine)}");
    }

    private static Judgement AtLimit(Job job, AttemptExit exit, ConsoleReport console)
    {
        var limit = job.TimeoutSeconds.ToString("0.###", CultureInfo.InvariantCulture);
        var lastly = console.LastLine is { } last ? $"; last on its console: {ConsoleText.Shorten(last, 160)}" : "; its console stayed empty";
        return exit.Limit switch
        {
            LimitHit.CpuTime => new Judgement(Verdict.Timeout, $"still running after {limit} s of CPU time{(job.Smp > 1 ? " for each vCPU" : "")}{lastly}"),
            LimitHit.WallTime => new Judgement(Verdict.Timeout, $"still running at its limit of {limit} s{lastly}"),
            LimitHit.Stalled => new Judgement(Verdict.Timeout, string.Create(CultureInfo.InvariantCulture, $"makes no progress: every vCPU is halted or in the same few states for ever; ended after {exit.Cpu.TotalSeconds:0} s of CPU time{lastly}")),
            LimitHit.Memory => new Judgement(Verdict.Fail, string.Create(CultureInfo.InvariantCulture, $"took more memory than its guest explains: {exit.PeakMemoryBytes >> 20} MiB in its largest process{lastly}")),
            _ => new Judgement(Verdict.Fail, string.Create(CultureInfo.InvariantCulture, $"printed more than is kept for any guest: {exit.Console.TotalLength + exit.StandardError.TotalLength} bytes{lastly}")),
        };
    }

    private static Judgement EndedBy(int signal, VmmMessages errors) => signal switch
    {
        SignalName.Kill => new Judgement(Verdict.InfraError, "the VMM was killed from outside (SIGKILL), probably by the kernel for want of memory"),
        SignalName.CpuLimit => new Judgement(Verdict.Timeout, "ended by the kernel at its limit of CPU time (SIGXCPU)"),
        SignalName.FileLimit => new Judgement(Verdict.Fail, "wrote a file beyond its limit of size (SIGXFSZ)"),
        _ => new Judgement(Verdict.InfraError, $"the VMM was ended from outside ({SignalName.Of(signal)}){Because(errors.LastLine)}"),
    };

    // Status 134 and its like: a shell between the harness and the VMM. With isa-debug-exit odd ones can be the guest's.
    private static int? WrappedSignal(LaunchPlan plan, AttemptExit exit, ConsoleReport console)
    {
        if (exit.ExitStatus is not > ShellSignalBase || console.Ending is not null || exit.Limit != LimitHit.None)
            return null;
        var signal = exit.ExitStatus.Value - ShellSignalBase;
        return SignalName.IsFault(signal) && !(plan.DebugExit && exit.ExitStatus % 2 == 1) ? signal : null;
    }

    private static Judgement ByConvention(Job job, LaunchPlan plan, AttemptExit exit, ConsoleReport console, VmmMessages errors)
    {
        var status = exit.ExitStatus ?? -1;
        if (NeverRan(job, plan, status, console, errors) is { } never)
            return never;
        switch (job.Convention)
        {
            case GuestConvention.KvmUnitTests:
                return plan.DebugExit ? ByDebugExit(status, console, errors) : ByConsoleStatus(status, console, errors);
            case GuestConvention.Tap:
                var tap = console.Tap ?? new Judgement(Verdict.Fail, "no TAP was seen on the console");
                return tap.Verdict is Verdict.Fail || EndedWell(plan, status)
                    ? tap
                    : new Judgement(Verdict.Fail, $"all test points are fine, but the VMM ended with status {Number(status)}{Because(errors.LastLine)}");
            case GuestConvention.Marker:
                return new Judgement(
                    Verdict.Fail, $"ended without a console line that matches '{job.Expect}'{(console.LastLine is { } last ? $"; the last one: {ConsoleText.Shorten(last, 160)}" : "; the console stayed empty")}");
            default:
                return status switch
                {
                    0 => new Judgement(Verdict.Pass, null),
                    SkipStatus => new Judgement(Verdict.Skip, SkipReason(console)),
                    _ => new Judgement(Verdict.Fail, $"ended with status {Number(status)}{Because(errors.LastLine)}"),
                };
        }
    }

    /// <summary>The VMM ended by itself before the guest said a word, with a complaint: its own affair, or the host's.</summary>
    private static Judgement? NeverRan(Job job, LaunchPlan plan, int status, ConsoleReport console, VmmMessages errors)
    {
        if (console.Lines > 0 || status == 0 || errors.OnlyWarnings)
            return null;
        // A guest's own codes are odd; 1 is the pass that a failed start looks like.
        if (plan.DebugExit && status % 2 == 1 && status is not (1 or AbortStatus))
            return null;
        if (job.Convention == GuestConvention.ExitStatus && errors is { Refusal: null, LoadFailure: null } && status is not (126 or 127))
            return null;
        if (errors.LoadFailure is { } load && errors.Refusal is null)
            return new Judgement(Verdict.InfraError, $"the VMM couldn't load what it was given: {load}");
        return errors.Refusal is { } refusal
            ? new Judgement(Verdict.Skip, $"the VMM can't do this here: {refusal}")
            : new Judgement(Verdict.InfraError, $"the VMM ended before {(job.Convention == GuestConvention.Qtest ? "it answered" : "the guest ran")}, with status {Number(status)}: {errors.LastLine}");
    }

    private static Judgement ByDebugExit(int status, ConsoleReport console, VmmMessages errors)
    {
        switch (status)
        {
            case 0 when errors.TerminatingSignal is { } signal:
                return new Judgement(Verdict.InfraError, $"the VMM was ended from outside ({SignalName.Of(signal)}): {errors.LastLine}");
            case 0:
                return new Judgement(Verdict.Fail, $"the guest ended without a verdict (status 0): it powered off, or was reset by a triple fault{LastLine(console)}");
            case 1 when !errors.IsEmpty && !errors.HasWarning:
                return new Judgement(Verdict.Fail, $"the guest passed, but the VMM complained: {errors.LastLine}");
            case 1 when console.Lines == 0:
                return new Judgement(Verdict.InfraError, "status 1 is a pass, but nothing shows that a guest ran: the console is empty");
            case 1:
                return PassUnlessPrintedOtherwise(console);
            default:
                return ByGuestStatus(status, console, errors);
        }
    }

    private static Judgement ByConsoleStatus(int status, ConsoleReport console, VmmMessages errors)
    {
        if (errors.TerminatingSignal is { } signal && status is 0 or 1)
            return new Judgement(Verdict.InfraError, $"the VMM was ended from outside ({SignalName.Of(signal)}): {errors.LastLine}");
        if (status is not (0 or 1))
            return new Judgement(Verdict.Fail, $"the VMM ended with status {Number(status)}{Because(errors.LastLine)}");
        if (status == 1 && !errors.IsEmpty && !errors.HasWarning)
            return new Judgement(Verdict.Fail, $"the VMM complained: {errors.LastLine}");
        return console.ExitStatus switch
        {
            null => new Judgement(Verdict.Fail, $"the guest ended without saying 'EXIT: STATUS=n'{LastLine(console)}"),
            1 => PassUnlessPrintedOtherwise(console),
            var said => ByGuestStatus(said.Value, console, errors),
        };
    }

    private static Judgement ByGuestStatus(int status, ConsoleReport console, VmmMessages errors) => status switch
    {
        SkipStatus => new Judgement(Verdict.Skip, SkipReason(console)),
        AbortStatus => new Judgement(Verdict.Fail, $"the guest aborted{Because(console.Abort ?? console.LastLine)}"),
        _ when status % 2 == 0 => new Judgement(Verdict.Fail, $"the VMM ended by itself with status {Number(status)}{Because(errors.LastLine)}"),
        _ when console.FirstFailure is { } first => new Judgement(Verdict.Fail, $"{console.Failures} of {console.SubtestCount} checks failed, first: {first}"),
        _ => new Judgement(Verdict.Fail, $"the guest ended with exit code {Number(status >> 1)} (status {Number(status)}){LastLine(console)}"),
    };

    private static Judgement PassUnlessPrintedOtherwise(ConsoleReport console) => console.Failures == 0
        ? new Judgement(Verdict.Pass, null)
        : new Judgement(Verdict.Fail, $"the guest's exit says pass, its console has {console.Failures} failed checks, first: {console.FirstFailure}");

    private static bool EndedWell(LaunchPlan plan, int status) => status == 0 || (plan.DebugExit && status is 1 or SkipStatus);

    private static string SkipReason(ConsoleReport console) =>
        console.FirstSkip is { } skip ? $"the guest skipped: {skip}" : $"the guest says that it can't run here{Because(console.Summary ?? console.LastLine)}";

    private static string LastLine(ConsoleReport console) => console.LastLine is { } last ? $"; last on its console: {ConsoleText.Shorten(last, 160)}" : "; its console stayed empty";

    private static string Because(string? text) => text is null ? "" : $": {text}";

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
