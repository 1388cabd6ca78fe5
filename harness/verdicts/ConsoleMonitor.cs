using System.Text.RegularExpressions;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Verdicts;

/// <summary>
/// Reads a job's console line by line while its VMM runs, in bounded memory. <see cref="EndReason"/> says when waiting longer can't change the verdict. Lines come from one
/// thread at a time; <see cref="EndReason"/> may be read from any.
/// </summary>
public sealed class ConsoleMonitor
{
    private readonly SubtestCollector subtests = new();
    private readonly KutLines kut;
    private readonly TapReader? tap;
    private readonly Regex? expect;
    private readonly Regex? reject;
    private readonly bool endAtPanic;
    private readonly Lock gate = new();
    private Judgement? ending;
    private volatile string? endReason;
    private long lines;
    private string? lastLine;
    private QtestReplies? replies;

    /// <param name="qtestCommands">That the VMM answers; null: it runs a guest.</param>
    public ConsoleMonitor(Job job, int? qtestCommands = null)
    {
        replies = qtestCommands is { } commands ? new QtestReplies(commands) : null;
        kut = new KutLines(subtests);
        tap = job.Convention == GuestConvention.Tap ? new TapReader(subtests) : null;
        if (job.Convention == GuestConvention.Marker)
        {
            expect = Pattern(job.Expect);
            reject = Pattern(job.Reject);
        }

        endAtPanic = job.Convention is GuestConvention.Marker or GuestConvention.Tap;
    }

    /// <summary>Set once the verdict is certain: the marker was seen, the guest's kernel panicked, each command of qtest is answered. The VMM may then be ended.</summary>
    public string? EndReason => endReason;

    /// <summary>One line of the VMM's standard output.</summary>
    public void Line(string line)
    {
        lock (gate)
        {
            var clean = ConsoleText.Clean(line);
            if (!string.IsNullOrWhiteSpace(clean))
            {
                lines++;
                lastLine = clean;
            }

            if (replies is { } before)
            {
                var after = before.With(clean);
                replies = after;
                if (after.AreAll)
                    endReason ??= "every command was answered";
                return;
            }
            if (tap is not null)
                tap.Add(clean);
            else
                kut.Add(clean);
            if (ending is not null)
                return;
            if (reject is not null && reject.IsMatch(clean))
                End(new Judgement(Verdict.Fail, $"the console shows what 'reject' is for: {ConsoleText.Shorten(clean, 200)}"));
            else if (expect is not null && expect.IsMatch(clean))
                End(new Judgement(Verdict.Pass, null), "the marker was seen");
            else if (endAtPanic && KernelPanic.Is(clean))
                End(new Judgement(Verdict.Fail, $"the guest's kernel died: {ConsoleText.Shorten(clean, 200)}"));
            else if (tap?.BailOut is { } bail)
                End(new Judgement(Verdict.Fail, $"bailed out: {bail}"));
        }
    }

    /// <summary>One line of the VMM's standard error.</summary>
    public void ErrorLine(string line)
    {
        lock (gate)
        {
            if (ending is null && VmmMessages.KvmFault(line) is { } fault)
                End(new Judgement(Verdict.Crash, fault));
        }
    }

    /// <summary>What came of it, once the last line was handed in.</summary>
    public ConsoleReport Finish()
    {
        lock (gate)
        {
            var tapVerdict = tap?.Finish();
            var notes = new List<string>();
            if (subtests.Note is { } note)
                notes.Add(note);
            if (kut.MeasurementsLost > 0)
                notes.Add($"{kut.MeasurementsLost} measurements are not kept");
            return new ConsoleReport
            {
                Subtests = [.. subtests.Kept],
                Measurements = kut.Measurements,
                SubtestCount = subtests.Total,
                Failures = subtests.Failures,
                Skips = subtests.Skips,
                FirstFailure = subtests.FirstFailure,
                FirstSkip = subtests.FirstSkip,
                ExitStatus = kut.ExitStatus,
                Summary = kut.Summary,
                Abort = kut.Abort,
                Ending = ending,
                Tap = tapVerdict,
                Qtest = replies,
                Lines = lines,
                LastLine = lastLine is null ? null : ConsoleText.Shorten(lastLine, SubtestCollector.MaxNameLength),
                Notes = notes,
            };
        }
    }

    private void End(Judgement judgement, string? reason = null)
    {
        ending = judgement;
        endReason = reason ?? judgement.Reason;
    }

    private static Regex? Pattern(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return null;
        try
        {
            // Linear in a line of at most 64 KiB: a time limit would only make a busy host's verdicts differ.
            return new Regex(text, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            // Suites are checked when they are read; a job from elsewhere may still hold one. Nothing matches it, and the verdict says what was waited for.
            return null;
        }
    }
}
