using System.Globalization;
using System.Text;
using Gauntlet.Pipelines.Series;

namespace Gauntlet.Pipelines.Gate;

/// <summary>What the gate says to the people of a thread: plain text, and the mail that carries it.</summary>
public static class GateReport
{
    /// <summary>The verdict, the first patch that is at fault, how to repeat it, and from which mail to which commit it goes.</summary>
    public static string Text(GateEntry entry, GateRecord? record)
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Headline(entry)}");
        text.AppendLine();
        if (entry.Reason is not null)
            text.AppendLine(CultureInfo.InvariantCulture, $"  {Printable.Line(entry.Reason)}").AppendLine();
        if (record is null)
            return text.ToString();

        text.AppendLine(CultureInfo.InvariantCulture, $"Tested on {record.Below}, as {record.Tip} (tree {record.Tree}):").AppendLine();
        foreach (var step in record.Steps)
        {
            var where = step.Patch is { } number ? $" at patch {number}" : "";
            text.AppendLine(CultureInfo.InvariantCulture, $"  {Word(step.Verdict),-11} {step.Step}{where}{(step.Reused ? " (known from the same tree)" : "")}{(step.Verdict == StepVerdict.Skip ? $": {step.Reason}" : "")}");
        }

        text.AppendLine();
        foreach (var patch in record.Patches)
            text.AppendLine(CultureInfo.InvariantCulture, $"  {patch.Number}: {patch.MessageId} = {patch.Commit[..12]} {Printable.Line(patch.Title)}");

        var decisive = record.Steps.FirstOrDefault(step => step.Verdict == StepVerdict.Fail) ?? record.Steps.FirstOrDefault(step => step.Verdict != StepVerdict.Pass);
        if (decisive is { Log: { Length: > 0 } log } failed)
        {
            text.AppendLine().AppendLine(CultureInfo.InvariantCulture, $"The end of what {failed.Step} printed:").AppendLine();
            foreach (var line in log.TrimEnd().Split('\n').TakeLast(30))
                text.AppendLine(CultureInfo.InvariantCulture, $"  {Printable.Line(line.TrimEnd('\r'))}");
        }

        if (entry.State == GateState.Failed)
            text.AppendLine().AppendLine("To repeat:").AppendLine().AppendLine(CultureInfo.InvariantCulture, $"  {Repeat(entry, record)}");

        return text.ToString();
    }

    /// <summary>One line for a shell in a clone of the target: applies the series where it was tested, goes to the failing patch and runs what failed there.</summary>
    private static string Repeat(GateEntry entry, GateRecord record)
    {
        var apply = $"gauntlet series apply {Printable.Line(entry.SeriesId)}@{entry.Version} --base {record.Below} --branch repeat";
        if (record.Steps.FirstOrDefault(step => step.Verdict == StepVerdict.Fail) is not { Command: { } command } failed)
            return apply;
        var behind = failed.Patch is { } number ? record.Patches.Count(patch => patch.Number > number) : 0;
        // In quotes for the shell, whatever lines and quotes the pipeline has.
        return $"{apply} && git checkout repeat{(behind > 0 ? $"~{behind}" : "")} && sh -c '{command.TrimEnd().Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }

    /// <summary>A reply to the thread, ready for sendmail or <c>git send-email</c>.</summary>
    /// <param name="entry">Whose it is.</param>
    /// <param name="record">What was found.</param>
    /// <param name="version">The series, for its thread.</param>
    /// <param name="sender">From.</param>
    /// <param name="date">Date.</param>
    public static string Mail(GateEntry entry, GateRecord? record, SeriesVersion version, string sender, DateTimeOffset date)
    {
        // The first failing patch is what people look for: the reply goes below it; else below the cover letter.
        var failing = record?.Steps.FirstOrDefault(step => step.Verdict == StepVerdict.Fail)?.Patch is { } number ? version.Patches.FirstOrDefault(patch => patch.Number == number) : null;
        var parent = failing?.MessageId ?? version.CoverMessageId ?? version.Patches[0].MessageId;
        var root = version.CoverMessageId ?? version.Patches[0].MessageId;
        var subject = failing is null ? version.Title : failing.Title;
        var headers = new StringBuilder();
        headers.Append(CultureInfo.InvariantCulture, $"From: {Field(sender)}\n");
        headers.Append(CultureInfo.InvariantCulture, $"To: {Field(version.Author ?? "")}\n");
        headers.Append(CultureInfo.InvariantCulture, $"Subject: Re: {Field(Place(version, failing))} {Field(subject)}\n");
        headers.Append(CultureInfo.InvariantCulture, $"Date: {date.ToString("ddd, d MMM yyyy HH:mm:ss ", CultureInfo.InvariantCulture)}{date.ToString("zzz", CultureInfo.InvariantCulture).Replace(":", "", StringComparison.Ordinal)}\n");
        headers.Append(CultureInfo.InvariantCulture, $"Message-ID: <gauntlet-gate-{entry.Id}-{date.ToUnixTimeSeconds()}@{Environment.MachineName}>\n");
        // A patch that came without a Message-ID begins no thread that could be answered.
        if (parent.StartsWith('<'))
        {
            headers.Append(CultureInfo.InvariantCulture, $"In-Reply-To: {Field(parent)}\n");
            headers.Append(CultureInfo.InvariantCulture, $"References: {Field(parent == root ? root : $"{root} {parent}")}\n");
        }

        headers.Append("MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n");
        return headers + "\n" + Text(entry, record);
    }

    private static string Headline(GateEntry entry) => entry.State switch
    {
        GateState.Merged => $"Merged into {entry.Target} as {entry.NewTip}.",
        GateState.Tried => "All steps passed. It was to be tried only, and is not merged.",
        GateState.Failed => $"Not merged into {entry.Target}:",
        GateState.Stuck => "Could not be judged; that is not the series' fault, and it will be run again:",
        _ => $"{entry.State}:",
    };

    private static string Place(SeriesVersion version, SeriesPatch? patch)
    {
        var words = new List<string> { "PATCH" };
        if (version.Version > 1)
            words.Add($"v{version.Version}");
        if (version.Total > 1 || version.CoverMessageId is not null)
            words.Add($"{patch?.Number ?? 0}/{version.Total}");
        return $"[{string.Join(' ', words)}]";
    }

    private static string Word(StepVerdict verdict) => verdict switch
    {
        StepVerdict.Pass => "pass",
        StepVerdict.Fail => "FAIL",
        StepVerdict.Skip => "skip",
        _ => "infra error",
    };

    // One line, whatever the mail's author put there: no header can be added through a title.
    private static string Field(string text) => Printable.Line(text);
}
