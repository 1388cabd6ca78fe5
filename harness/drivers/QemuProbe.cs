using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Linux;

namespace Gauntlet.Harness.Drivers;

/// <summary>Asks a program that claims to be QEMU, or to be like it, for what it can do: one process without a machine, one QMP session.</summary>
/// <param name="launcher">Starts the process.</param>
/// <param name="answerLimit">A VMM that has not answered by then is not one; null: 20 s.</param>
public sealed class QemuProbe(IAttemptLauncher launcher, TimeSpan? answerLimit = null)
{
    private readonly TimeSpan _answerLimit = answerLimit ?? TimeSpan.FromSeconds(20);

    /// <summary>How often it is looked whether its socket is there yet; it takes some 20 ms.</summary>
    private static readonly TimeSpan ConnectInterval = TimeSpan.FromMilliseconds(2);

    /// <summary>Never throws for what the program is or does: <see cref="VmmProbe.Problem"/> tells.</summary>
    public async Task<VmmProbe> AskAsync(string program, CancellationToken cancellation)
    {
        var socket = Path.Combine(Path.GetTempPath(), $"gauntlet-probe-{Path.GetRandomFileName()}");
        var plan = new LaunchPlan
        {
            CommandLine = [program, "-machine", "none", "-nodefaults", "-display", "none", "-qmp", $"unix:{socket},server=on,wait=off"],
            WorkingDirectory = Path.GetTempPath(),
        };
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_answerLimit);
        try
        {
            await using var process = launcher.Start(plan, new AttemptLimits { WallTime = _answerLimit, OutputFloodBytes = 1 << 20 });
            var end = process.WaitAsync(CancellationToken.None);
            using var session = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);
            var answer = SessionAsync(program, socket, session.Token);
            if (await Task.WhenAny(answer, end) == answer)
                return await answer;
            await session.CancelAsync();
            await ((Task)answer).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return Broken(program, Describe(await end));
        }
        catch (Exception e) when (e is QmpException or SocketException or LinuxException)
        {
            return Broken(program, e.Message);
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException)
        {
            return Broken(program, $"its QMP answers lack what QEMU's have ({e.Message})");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return Broken(program, $"it did not answer on its QMP socket within {_answerLimit.TotalSeconds:0} s");
        }
        finally
        {
            File.Delete(socket);
        }
    }

    private static async Task<VmmProbe> SessionAsync(string program, string socket, CancellationToken cancellation)
    {
        await using var qmp = await ConnectAsync(socket, cancellation);
        var version = (await qmp.ExecuteAsync("query-version", null, cancellation)).GetProperty("qemu");
        var machines = await qmp.ExecuteAsync("query-machines", null, cancellation);
        var accelerators = await TypesAsync(qmp, "accel", cancellation);
        return new VmmProbe(
            program, $"{version.GetProperty("major")}.{version.GetProperty("minor")}.{version.GetProperty("micro")}",
            [.. accelerators.Where(name => name.EndsWith("-accel", StringComparison.Ordinal)).Select(name => name[..^"-accel".Length]).Order(StringComparer.Ordinal)],
            [.. machines.EnumerateArray().SelectMany(Names).Where(name => name != "none").Order(StringComparer.Ordinal)],
            await TypesAsync(qmp, "device", cancellation), null)
        {
            Cpus = await TypesAsync(qmp, "cpu", cancellation),
        };

        static IEnumerable<string> Names(JsonElement machine)
        {
            yield return machine.GetProperty("name").GetString()!;
            if (machine.TryGetProperty("alias", out var alias))
                yield return alias.GetString()!;
        }
    }

    private static async Task<IReadOnlyList<string>> TypesAsync(QmpClient qmp, string kind, CancellationToken cancellation)
    {
        var types = await qmp.ExecuteAsync("qom-list-types", $$"""{"implements":"{{kind}}","abstract":false}""", cancellation);
        return [.. types.EnumerateArray().Select(type => type.GetProperty("name").GetString()!).Order(StringComparer.Ordinal)];
    }

    private static async Task<QmpClient> ConnectAsync(string socket, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                return await QmpClient.ConnectAsync(socket, cancellation);
            }
            catch (SocketException)
            {
                await Task.Delay(ConnectInterval, cancellation);
            }
        }
    }

    private static VmmProbe Broken(string program, string problem) => new(program, null, [], [], [], $"{program} is not a usable VMM: {problem}");

    private static string Describe(AttemptExit exit)
    {
        var how = exit.Limit != LimitHit.None ? $"it had to be ended ({exit.Limit})"
            : exit.Signal is { } signal ? $"it died of signal {signal} when started without a machine"
            : $"it ended with status {exit.ExitStatus} when started without a machine";
        var said = Encoding.UTF8.GetString(exit.StandardError.Bytes).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return said.Length == 0 ? how : $"{how}, saying: {said[^1]}";
    }
}
