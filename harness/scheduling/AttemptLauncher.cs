using System.Collections;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Nesting;
using Gauntlet.Linux;

namespace Gauntlet.Harness.Scheduling;

/// <summary>Starts attempts under the process supervisor, here or in an L1. One for a whole run.</summary>
public sealed class AttemptLauncher : IAttemptLauncher, IDisposable
{
    private readonly Supervisor _supervisor = new();
    private readonly L1Pool _l1s;

    public AttemptLauncher() => _l1s = new L1Pool(this);

    public IAttemptProcess Start(LaunchPlan plan, AttemptLimits limits, Action<string>? onConsoleLine = null, Action<string>? onErrorLine = null)
    {
        if (plan.L1 is not null)
            return new L1Attempt(_l1s, plan, limits, onConsoleLine, onErrorLine);
        var command = new SupervisedCommand
        {
            Program = plan.CommandLine[0],
            Arguments = [.. plan.CommandLine.Skip(1)],
            Environment = [.. EnvironmentOf(plan).Select(variable => $"{variable.Key}={variable.Value}")],
            WorkingDirectory = plan.WorkingDirectory,
            NoNetwork = !plan.Network,
            CpuLimit = limits.CpuTime is { } cpu ? cpu * AttemptProcess.CpuBackstopFactor + AttemptProcess.CpuBackstop : null,
            FileBytes = limits.FileBytes,
        };
        return AttemptProcess.Start(_supervisor, command, plan, limits, onConsoleLine, onErrorLine);
    }

    public void Dispose()
    {
        _l1s.Dispose();
        _supervisor.Dispose();
    }

    /// <summary>This process's variables, with those of the plan.</summary>
    internal static IEnumerable<KeyValuePair<string, string>> EnvironmentOf(LaunchPlan plan) => Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
        .Select(entry => KeyValuePair.Create((string)entry.Key, (string?)entry.Value ?? ""))
        .Where(variable => !plan.Environment.ContainsKey(variable.Key))
        .Concat(plan.Environment);
}
