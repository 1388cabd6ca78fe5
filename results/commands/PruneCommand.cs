using System.CommandLine;
using System.Globalization;
using Gauntlet.Results.Reports;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Commands;

/// <summary><c>gauntlet results prune</c>.</summary>
internal static class PruneCommand
{
    public static Command Create(Output output, StoreOption storeOption)
    {
        var keep = new Option<int?>("--keep") { Description = "Keep at least the newest so many runs", HelpName = "N" };
        var older = new Option<string?>("--older-than") { Description = "Remove only runs that are older: 12h, 30d, 8w", HelpName = "AGE" };
        var dry = new Option<bool>("--dry-run") { Description = "Only say what would go" };
        var json = StoreOption.JsonOption();
        var command = new Command("prune", "Remove old runs, and the artifacts that only they had") { keep, older, dry, json };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(keep) is null && parsed.GetValue(older) is null)
                throw new UserException("Say which runs may go: --keep N, --older-than AGE, or both (then only runs that both rules let go).");
            if (parsed.GetValue(keep) < 0)
                throw new UserException("--keep must be 0 or more.");
            var options = new PruneOptions(parsed.GetValue(keep), parsed.GetValue(older) is { } age ? ParseAge(age) : null, parsed.GetValue(dry));
            using var store = storeOption.Open(parsed);
            var report = store.Prune(options);
            if (parsed.GetValue(json))
                CommandJson.Write(output.Out, report);
            else
                output.Out.WriteLine($"{(options.DryRun ? "would remove" : "removed")} {report.Runs} runs and {report.Artifacts} artifacts of {Quantity.Bytes(report.Bytes)}");
            return ExitCode.Success;
        });
        return command
            .WithExample("gauntlet results prune --older-than 30d --dry-run", "what would go")
            .WithExample("gauntlet results prune --keep 100 --older-than 8w", "old ones, but never the newest hundred");
    }

    internal static TimeSpan ParseAge(string text)
    {
        double? hours = text.Length < 2 ? null : text[^1] switch { 'm' => 1.0 / 60, 'h' => 1, 'd' => 24, 'w' => 168, _ => null };
        return hours is { } unit && double.TryParse(text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number * unit < TimeSpan.MaxValue.TotalHours / 2
            ? TimeSpan.FromHours(number * unit)
            : throw new UserException($"--older-than must be a number with m, h, d or w, such as 30d, not '{text}'.");
    }
}
