using System.CommandLine;
using System.Text.Json;
using Gauntlet.Pipelines.GitTool;
using Gauntlet.Pipelines.Isolation;
using Gauntlet.Pipelines.Series;
using Gauntlet.Results.Store;
using Gauntlet.Terminal;
using Humanizer;
using Spectre.Console;

namespace Gauntlet.Pipelines.Gate;

/// <summary><c>gauntlet gate enqueue|status|run|pause|resume|remove|rerun|log</c>.</summary>
public sealed class GateCommands : ICommandModule
{
    private readonly Option<string?> _results = new("--results") { Description = "Store: a folder or postgres://…; the default is the user's data folder" };
    private readonly Option<string> _repository = new("--repo") { Description = "Git repository, bare or without the target checked out", DefaultValueFactory = _ => "." };
    private readonly Option<string> _target = new("--target") { Description = "Branch that series are merged into", DefaultValueFactory = _ => "master" };
    private readonly Option<bool> _json = new("--json") { Description = "Print JSON" };

    public IEnumerable<Command> CreateCommands(Output output)
    {
        yield return new Command("gate", "Merge queue: test what would be merged, merge only what passes")
        {
            Enqueue(output), Status(output), Run(output), Pause(output), Resume(output), Remove(output), Rerun(output), Log(output),
        };
    }

    private Command Enqueue(Output output)
    {
        var series = new Argument<string[]>("series") { Description = "Series, as `gauntlet series show` takes it", Arity = ArgumentArity.OneOrMore };
        var priority = new Option<int>("--priority") { Description = "Higher goes first" };
        var tryOnly = new Option<bool>("--try") { Description = "Run all steps, merge nothing" };
        var command = new Command("enqueue", "Put series in the queue") { series, priority, tryOnly, _repository, _target, _results };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var results = ResultStore.Open(parsed.GetValue(_results));
            var (queue, store) = (new GateQueue(results, Who), new SeriesStore(results));
            var (repository, target) = await PlaceAsync(parsed, cancellation);
            foreach (var name in parsed.GetValue(series)!)
            {
                var entry = queue.Enqueue(store.Find(name), repository, target, parsed.GetValue(priority), parsed.GetValue(tryOnly));
                output.Out.WriteLine($"{entry.Id}: {Printable.Line(entry.ToString())} is {entry.State}");
            }

            return ExitCode.Success;
        });
        return command.WithExample("gauntlet gate enqueue \"virtio: fix\" --repo ~/qemu.git", "at the end of master's queue")
            .WithExample("gauntlet gate enqueue \"virtio: fix\" --try --repo ~/qemu.git", "all steps, no merge");
    }

    private Command Status(Output output)
    {
        var why = new Option<string?>("--why") { Description = "Entry's number or words of its title: tell all about it" };
        var command = new Command("status", "Show the queue and what was settled") { why, _results, _json };
        command.SetAction(parsed =>
        {
            using var results = ResultStore.Open(parsed.GetValue(_results));
            var queue = new GateQueue(results, Who);
            if (parsed.GetValue(why) is { } name)
            {
                var entry = FindEntry(queue, name);
                var record = queue.GetRecord(entry.Id);
                if (parsed.GetValue(_json))
                    output.Out.WriteLine(JsonSerializer.Serialize(new GateExplanation(entry, record), GateJson.Default.GateExplanation));
                else
                    output.Out.Write(GateReport.Text(entry, record));
                return entry.State is GateState.Failed or GateState.Stuck ? ExitCode.Failure : ExitCode.Success;
            }

            var entries = queue.All();
            if (parsed.GetValue(_json))
            {
                output.Out.WriteLine(JsonSerializer.Serialize(entries, GateJson.Default.IReadOnlyListGateEntry));
                return ExitCode.Success;
            }

            if (entries.Count == 0)
            {
                output.Out.WriteLine("the queue is empty: gauntlet gate enqueue SERIES");
                return ExitCode.Success;
            }

            var table = new Table().Border(TableBorder.Simple).AddColumns("entry", "series", "target", "state", "why");
            foreach (var entry in entries)
                table.AddRow($"{entry.Id}", Markup.Escape(Printable.Line(entry.ToString())), Markup.Escape(Short(entry.Target)), entry.State, Markup.Escape(Printable.Line(entry.Reason ?? "")));
            output.Console.Write(table);
            foreach (var place in entries.Select(entry => (entry.Repository, entry.Target)).Distinct())
            {
                if (queue.PausedBy(place.Repository, place.Target) is { } by)
                    output.Out.WriteLine($"{Short(place.Target)} of {place.Repository} is paused by {by}");
            }

            return ExitCode.Success;
        });
        return command.WithExample("gauntlet gate status", "the whole queue").WithExample("gauntlet gate status --why \"virtio: fix\"", "one series, with its steps and logs");
    }

    private Command Run(Output output)
    {
        var untilEmpty = new Option<bool>("--until-empty") { Description = "Return when nothing waits; without it, serve for ever" };
        var mails = new Option<string?>("--mail") { Description = "Write a reply for each settled series to this folder" };
        var send = new Option<bool>("--send") { Description = "Send the replies, by git send-email and its settings; needs --mail" };
        var smtp = new Option<string?>("--smtp") { Description = "HOST[:PORT] to send by, instead of the one in git's settings" };
        var sender = new Option<string>("--from") { Description = "Sender of the replies", DefaultValueFactory = _ => "Gauntlet <gauntlet@localhost>" };
        var readable = new Option<string[]>("--readable") { Description = "Folder of this host that steps may read, at its own place: a cache of packages, a toolchain" };
        var variables = new Option<string[]>("--env") { Description = "NAME=VALUE for steps, which inherit nothing" };
        var memory = new Option<int>("--memory") { Description = "MiB of memory that one step may use", DefaultValueFactory = _ => 4096 };
        var disk = new Option<int>("--disk") { Description = "MiB of disk that one step may use", DefaultValueFactory = _ => 8192 };
        var command = new Command("run", "Serve the queue of one branch") { untilEmpty, mails, send, smtp, sender, readable, variables, memory, disk, _repository, _target, _results };
        command.SetAction(async (parsed, cancellation) =>
        {
            var mailer = MailerOf(parsed.GetValue(mails), parsed.GetValue(sender)!, parsed.GetValue(send), parsed.GetValue(smtp), output);
            using var results = ResultStore.Open(parsed.GetValue(_results));
            var (queue, store) = (new GateQueue(results, "gate"), new SeriesStore(results));
            var (repository, target) = await PlaceAsync(parsed, cancellation);
            var limits = new IsolationLimits { MemoryBytes = (long)parsed.GetValue(memory) << 20, DiskBytes = (long)parsed.GetValue(disk) << 20 };
            var environment = new GateEnvironment(Environment.ProcessPath!, Environment.GetEnvironmentVariable("GAUNTLET_ROOT") ?? AppContext.BaseDirectory, Folders(parsed.GetValue(readable)), Variables(parsed.GetValue(variables)), limits, await ContainerEngine.FindAsync(cancellation));
            var runner = new GateRunner(repository, target, queue, store, environment, line => output.Out.WriteLine(Printable.Line(line)));
            var failed = 0;
            var replies = Task.CompletedTask;
            runner.Settled += (entry, record) =>
            {
                failed += entry.State is GateState.Failed or GateState.Stuck ? 1 : 0;
                if (mailer is not null && store.List().FirstOrDefault(version => version.SeriesId == entry.SeriesId && version.Version == entry.Version) is { } version)
                    replies = After(replies, () => mailer.ReplyAsync(entry, record, version, cancellation));
            };
            if (mailer is not null)
                await mailer.SendAllAsync(cancellation);
            await runner.RunAsync(parsed.GetValue(untilEmpty), cancellation);
            await replies;
            return failed == 0 ? ExitCode.Success : ExitCode.Failure;
        });
        return command.WithExample("gauntlet gate run --repo ~/qemu.git", "serve master's queue for ever")
            .WithExample("gauntlet gate run --repo ~/qemu.git --until-empty --mail outgoing", "once, with replies to the threads written")
            .WithExample("gauntlet gate run --repo ~/gauntlet.git --readable ~/.nuget/packages --env NUGET_PACKAGES=$HOME/.nuget/packages", "steps build without network")
            .WithExample("gauntlet gate run --repo ~/qemu.git --mail outgoing --send --smtp mail.example.org:25", "and sent");
    }

    private Command Pause(Output output)
    {
        var command = new Command("pause", "Merge and test nothing until resumed") { _repository, _target, _results };
        command.SetAction((parsed, cancellation) => WithQueueAsync(parsed, (queue, repository, target) =>
        {
            queue.Pause(repository, target);
            output.Out.WriteLine($"{Short(target)} is paused");
        }, cancellation));
        return command.WithExample("gauntlet gate pause --repo ~/qemu.git", "before a release");
    }

    private Command Resume(Output output)
    {
        var command = new Command("resume", "Go on after a pause") { _repository, _target, _results };
        command.SetAction((parsed, cancellation) => WithQueueAsync(parsed, (queue, repository, target) =>
        {
            queue.Resume(repository, target);
            output.Out.WriteLine($"{Short(target)} goes on");
        }, cancellation));
        return command.WithExample("gauntlet gate resume --repo ~/qemu.git", "after it");
    }

    private Command Remove(Output output)
    {
        var name = EntryArgument();
        var command = new Command("remove", "Take a series out of the queue") { name, _results };
        command.SetAction(parsed =>
        {
            using var results = ResultStore.Open(parsed.GetValue(_results));
            var queue = new GateQueue(results, Who);
            var entry = FindEntry(queue, parsed.GetValue(name)!);
            if (!queue.Settle(entry, GateState.Removed, $"removed by {Who}", null))
                throw new UserException($"removing {entry}: it is {entry.State}, not waiting");
            output.Out.WriteLine($"removed {Printable.Line(entry.ToString())}");
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet gate remove 12", "by number");
    }

    private Command Rerun(Output output)
    {
        var name = EntryArgument();
        var step = new Option<string?>("--step") { Description = "Forget only this step's verdicts" };
        var command = new Command("rerun", "Test a series again, forgetting what its steps said") { name, step, _results };
        command.SetAction(async (parsed, cancellation) =>
        {
            using var results = ResultStore.Open(parsed.GetValue(_results));
            var queue = new GateQueue(results, Who);
            var entry = FindEntry(queue, parsed.GetValue(name)!);
            string? hash = null;
            if (parsed.GetValue(step) is { } wanted)
            {
                var git = new Git(entry.Repository);
                var pipeline = await GatePipeline.ReadAsync(git, (await git.RunAsync(["rev-parse", entry.Target], default, cancellation)).Text, cancellation);
                hash = pipeline.Steps.FirstOrDefault(known => known.Name == wanted)?.Hash
                    ?? throw new UserException($"running step '{wanted}' again: the pipeline has {string.Join(", ", pipeline.Steps.Select(known => known.Name))}");
            }

            queue.Rerun(entry, hash);
            output.Out.WriteLine($"{Printable.Line(entry.ToString())} is queued");
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet gate rerun 12 --step build", "one step");
    }

    private Command Log(Output output)
    {
        var count = new Option<int>("--count") { Description = "Lines, newest first", DefaultValueFactory = _ => 50 };
        var command = new Command("log", "Show who did what") { count, _results };
        command.SetAction(parsed =>
        {
            using var results = ResultStore.Open(parsed.GetValue(_results));
            foreach (var (at, who, what) in new GateQueue(results, Who).ReadLog(parsed.GetValue(count)))
                output.Out.WriteLine($"{at[..19]}Z  {Printable.Line(who),-12} {Printable.Line(what)}");
            return ExitCode.Success;
        });
        return command.WithExample("gauntlet gate log --count 10", "the last ten");
    }

    private static string Who => Environment.GetEnvironmentVariable("SUDO_USER") ?? Environment.UserName;

    private static Argument<string> EntryArgument() => new("entry") { Description = "Entry's number or words of its title" };

    private static string Short(string target) => target.StartsWith("refs/heads/", StringComparison.Ordinal) ? target[11..] : target;

    private static GateEntry FindEntry(GateQueue queue, string name)
    {
        if (long.TryParse(name, out var id))
            return queue.Get(id);
        var found = queue.All().Where(entry => entry.Title.Contains(name, StringComparison.OrdinalIgnoreCase) || entry.SeriesId == name).ToArray();
        return found.Length > 0
            ? found[0]
            : throw new UserException($"looking for '{name}' in the queue: no entry has that title; `gauntlet gate status` shows all {"entry".ToQuantity(queue.All().Count)}");
    }

    private async Task<(string Repository, string Target)> PlaceAsync(ParseResult parsed, CancellationToken cancellation)
    {
        var git = new Git(parsed.GetValue(_repository));
        var folder = await git.TryRunAsync(["rev-parse", "--absolute-git-dir"], default, cancellation);
        if (folder.ExitStatus != 0)
            throw new UserException($"looking for a git repository in {parsed.GetValue(_repository)}: git said: {folder.Error}");
        var target = parsed.GetValue(_target)!;
        return (folder.Text, target.StartsWith("refs/", StringComparison.Ordinal) ? target : "refs/heads/" + target);
    }

    private async Task<int> WithQueueAsync(ParseResult parsed, Action<GateQueue, string, string> act, CancellationToken cancellation)
    {
        using var results = ResultStore.Open(parsed.GetValue(_results));
        var (repository, target) = await PlaceAsync(parsed, cancellation);
        act(new GateQueue(results, Who), repository, target);
        return ExitCode.Success;
    }

    private static GateMailer? MailerOf(string? folder, string sender, bool send, string? smtp, Output output)
    {
        if (folder is null)
            return send || smtp is not null ? throw new UserException("--send and --smtp need --mail FOLDER, where the replies are written first") : null;
        if (smtp is not null && !send)
            throw new UserException("--smtp says where to send by, and nothing is sent without --send");
        if (send)
            GateMailer.Require(smtp);
        return new GateMailer(folder, sender, send, smtp, line => output.Out.WriteLine(Printable.Line(line)));
    }

    private static string[] Folders(string[]? named) => [.. (named ?? []).Select(folder =>
        !Directory.Exists(folder) ? throw new UserException($"--readable {folder}: there is no such folder")
        : folder.Contains(' ', StringComparison.Ordinal) ? throw new UserException($"--readable {folder}: a folder with a space in its name cannot be shown to steps")
        : Path.GetFullPath(folder))];

    private static Dictionary<string, string> Variables(string[]? given)
    {
        var variables = new Dictionary<string, string>();
        foreach (var variable in given ?? [])
        {
            var equals = variable.IndexOf('=', StringComparison.Ordinal);
            variables[equals > 0 ? variable[..equals] : throw new UserException($"--env {variable}: NAME=VALUE was expected")] = variable[(equals + 1)..];
        }

        return variables;
    }

    // One at a time, in order, beside the gate's work.
    private static async Task After(Task earlier, Func<Task> next)
    {
        await earlier;
        await next();
    }
}
