using System.CommandLine;
using System.Text.Json;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;
using Humanizer;
using Spectre.Console;

namespace Gauntlet.Pipelines.Series;

/// <summary><c>gauntlet series import|list|show|diff|apply|publish</c>.</summary>
public sealed class SeriesCommands : ICommandModule
{
    private readonly Option<string?> _results = new("--results") { Description = "Store: a folder or postgres://…; the default is the user's data folder" };
    private readonly Option<string> _repository = new("--repo") { Description = "Git repository", DefaultValueFactory = _ => "." };
    private readonly Option<bool> _json = new("--json") { Description = "Print JSON" };

    public IEnumerable<Command> CreateCommands(Output output)
    {
        yield return new Command("series", "Patch series: take them from mail or git, show, compare, apply, publish")
        {
            Import(output), List(output), Show(output), Diff(output), Apply(output), Publish(output),
        };
    }

    private Command Import(Output output)
    {
        var sources = new Argument<string[]>("source")
        {
            Description = "mbox, maildir, public-inbox clone, folder or file of patches, base..tip, a branch, or - for standard input",
            Arity = ArgumentArity.OneOrMore,
        };
        var command = new Command("import", "Read mails or commits and put their series together") { sources, _results, _repository, _json };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var results = ResultStore.Open(parsed.GetValue(_results));
            var mails = await MailSource.ReadAllAsync(parsed.GetValue(sources)!, parsed.GetValue(_repository), Console.OpenStandardInput(), cancellation);
            var assembled = await new SeriesStore(results).ImportAsync(mails, cancellation);
            if (parsed.GetValue(_json))
            {
                output.Out.WriteLine(JsonSerializer.Serialize(assembled.Versions, SeriesJson.Default.IReadOnlyListSeriesVersion));
                return ExitCode.Success;
            }

            output.Out.WriteLine($"{Mails(mails.Count)}: {"version".ToQuantity(assembled.Versions.Count)} of series, {assembled.Neither} neither patch nor reply, {assembled.Quarantined.Count} put aside");
            foreach (var mail in assembled.Quarantined)
                output.Out.WriteLine($"  put aside {Printable.Line(mail.Name)}: {Printable.Line(mail.Reason)}");
            WriteTable(output, assembled.Versions);
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet series import list.mbox", "all series in a mailbox")
            .WithExample("gauntlet series import outgoing/*.patch", "one series from git format-patch")
            .WithExample("gauntlet series import master..topic --repo ~/qemu", "one series from commits");
    }

    private Command List(Output output)
    {
        var command = new Command("list", "Show all series, newest first") { _results, _json };
        command.SetAction(parsed =>
        {
            using var results = ResultStore.Open(parsed.GetValue(_results));
            var versions = new SeriesStore(results).List();
            if (parsed.GetValue(_json))
                output.Out.WriteLine(JsonSerializer.Serialize(versions, SeriesJson.Default.IReadOnlyListSeriesVersion));
            else if (versions.Count == 0)
                output.Out.WriteLine("no series yet: gauntlet series import SOURCE");
            else
                WriteTable(output, versions);
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet series list", "what there is");
    }

    private Command Show(Output output)
    {
        var name = SeriesArgument("series");
        var command = new Command("show", "Show one version: patches, trailers, dependencies, problems") { name, _results, _json };
        command.SetAction(parsed =>
        {
            using var results = ResultStore.Open(parsed.GetValue(_results));
            var store = new SeriesStore(results);
            var version = store.Find(parsed.GetValue(name)!);
            if (parsed.GetValue(_json))
                output.Out.WriteLine(JsonSerializer.Serialize(version, SeriesJson.Default.SeriesVersion));
            else
                WriteVersion(output, version, SeriesDependency.Resolve(version, store.List()));
            return version.State == "complete" ? ExitCode.Success : ExitCode.Failure;
        });
        return command.WithExample("gauntlet series show \"virtio: fix\"", "by words of its title, the newest version")
            .WithExample("gauntlet series show 20260102030405.1@example.org@2", "by identifier, version 2");
    }

    private Command Diff(Output output)
    {
        var before = SeriesArgument("before");
        var after = SeriesArgument("after");
        var revision = new Option<string>("--base") { Description = "Commit to apply on where a version names none", DefaultValueFactory = _ => "HEAD" };
        var command = new Command("diff", "Compare two versions patch by patch (a range-diff)") { before, after, revision, _repository, _results };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var results = ResultStore.Open(parsed.GetValue(_results));
            var store = new SeriesStore(results);
            output.Out.WriteLine(await SeriesDiff.RunAsync(
                store, store.Find(parsed.GetValue(before)!), store.Find(parsed.GetValue(after)!), parsed.GetValue(_repository)!, parsed.GetValue(revision)!, cancellation));
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet series diff \"virtio: fix v1\" \"virtio: fix v2\" --repo ~/qemu", "what the second version changed");
    }

    private Command Apply(Output output)
    {
        var name = SeriesArgument("series");
        var revision = new Option<string?>("--base") { Description = "Commit to apply on; the default is the version's base-commit, else HEAD" };
        var branch = new Option<string?>("--branch") { Description = "Make this branch of the result; without it the result is only tried" };
        var command = new Command("apply", "Apply a version, with what it depends on, in a scratch tree") { name, revision, branch, _repository, _results };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var results = ResultStore.Open(parsed.GetValue(_results));
            var store = new SeriesStore(results);
            var version = store.Find(parsed.GetValue(name)!);
            var repository = parsed.GetValue(_repository)!;
            using var tree = await ScratchTree.CreateAsync(repository, parsed.GetValue(revision) ?? version.Dependencies.BaseCommit ?? "HEAD", cancellation);
            var result = await SeriesApply.RunAsync(store, version, store.List(), tree, addTrailers: true, cancellation);
            if (result.Tip is null)
            {
                output.Error.WriteLine($"gauntlet: {Printable.Line(result.Reason!)}");
                return ExitCode.Failure;
            }

            if (parsed.GetValue(branch) is { } target)
            {
                var fetched = await new GitTool.Git(repository).TryRunAsync(["fetch", "--quiet", "--no-tags", tree.Folder, $"HEAD:refs/heads/{target}"], default, cancellation);
                if (fetched.ExitStatus != 0)
                    throw new UserException($"making the branch {target}: git said: {fetched.Error}");
            }

            output.Out.WriteLine($"{Printable.Line(version.ToString())}: {"patch".ToQuantity(version.Patches.Count)} applied on {result.Base[..12]}, tip {result.Tip[..12]}{(parsed.GetValue(branch) is { } made ? $", branch {made}" : "")}");
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet series apply \"virtio: fix\" --repo ~/qemu --branch review", "as a branch to look at");
    }

    private Command Publish(Output output)
    {
        var topic = new Argument<string>("topic") { Description = "Name of the series, kept between versions" };
        var range = new Argument<string>("range") { Description = "base..tip" };
        var title = new Option<string?>("--title") { Description = "Cover letter's subject; the default is the topic" };
        var cover = new Option<FileInfo?>("--cover") { Description = "File with the cover letter's text" };
        var folder = new Option<string>("--output") { Description = "Folder for the mails", DefaultValueFactory = _ => "outgoing" };
        var command = new Command("publish", "Number and tag the next version and write its mails for git send-email") { topic, range, title, cover, folder, _repository };
        command.SetAction(async (parsed, cancellation) =>
        {
            var name = parsed.GetValue(topic)!;
            var text = parsed.GetValue(cover) is { } file ? await File.ReadAllTextAsync(file.FullName, cancellation) : "";
            var published = await SeriesPublish.RunAsync(
                parsed.GetValue(_repository)!, name, parsed.GetValue(range)!, parsed.GetValue(title) ?? name, text.Trim(), parsed.GetValue(folder)!, cancellation);
            output.Out.WriteLine($"{published.Tag}: {Mails(published.Mails.Count)} in {published.Folder}");
            output.Out.WriteLine($"Send with: git send-email --to=LIST {published.Folder}/*.patch");
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet series publish fix-irq master..fix-irq --cover cover.txt", "the next version of a topic");
    }

    // Humanizer takes mail for a mass noun.
    private static string Mails(int count) => count == 1 ? "1 mail" : $"{count} mails";

    private static Argument<string> SeriesArgument(string name) =>
        new(name) { Description = "Identifier (or its beginning), a mail's Message-ID or words of the title; @N for version N, else the newest" };

    private static void WriteTable(Output output, IReadOnlyList<SeriesVersion> versions)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns("series", "version", "patches", "state", "from", "date");
        foreach (var version in versions)
        {
            table.AddRow(
                Markup.Escape(Printable.Line(version.Title)), $"v{version.Version}", $"{version.Patches.Count}/{version.Total}", version.State,
                Markup.Escape(Printable.Line(version.Author ?? "")), version.Date?.ToString("yyyy-MM-dd") ?? "");
        }

        output.Console.Write(table);
    }

    private static void WriteVersion(Output output, SeriesVersion version, SeriesPrerequisites prerequisites)
    {
        var write = (string line) => output.Out.WriteLine(Printable.Line(line));
        write($"{version}, {version.State}, from {version.Author ?? "nobody"}, {version.Date?.ToString("yyyy-MM-dd HH:mm zzz") ?? "no date"}");
        write($"id {version.SeriesId}");
        foreach (var patch in version.Patches)
            write($"  {patch.Number}/{version.Total}  {patch.Title}{(patch.TakenFromVersion is { } taken ? $"  (as in v{taken})" : "")}");
        foreach (var missing in version.Missing)
            write($"  {missing}/{version.Total}  did not arrive");
        foreach (var trailer in version.Trailers)
            write($"  {(trailer.Rejected is null ? trailer.ToString() : $"not counted: {trailer}: {trailer.Rejected}")}{(trailer.Number is { } number ? $"  (patch {number})" : "")}");
        foreach (var before in prerequisites.Before)
            write($"  after {before}");
        foreach (var problem in version.Problems.Concat(prerequisites.Blocked is { } blocked ? [blocked] : []))
            write($"  problem: {problem}");
    }
}
