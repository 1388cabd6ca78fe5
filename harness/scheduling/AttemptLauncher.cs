using System.Collections;
using Gauntlet.Harness.Drivers;
using Gauntlet.Linux;

namespace Gauntlet.Harness.Scheduling;

/// <summary>Starts attempts under the process supervisor. One for a whole run.</summary>
public sealed class AttemptLauncher : IAttemptLauncher, IDisposable
{
    private readonly Supervisor _supervisor = new();

    public IAttemptProcess Start(LaunchPlan plan, AttemptLimits limits, Action<string>? onConsoleLine = null, Action<string>? onErrorLine = null)
    {
        var command = new SupervisedCommand
        {
            Program = plan.CommandLine[0],
            Arguments = [.. plan.CommandLine.Skip(1)],
            Environment = Environment(plan),
            WorkingDirectory = plan.WorkingDirectory,
            NoNetwork = !plan.Network,
            CpuLimit = limits.CpuTime is { } cpu ? cpu * AttemptProcess.CpuBackstopFactor + AttemptProcess.CpuBackstop : null,
            FileBytes = limits.FileBytes,
        };
        return AttemptProcess.Start(_supervisor, command, plan, limits, onConsoleLine, onErrorLine);
    }

    public void Dispose() => _supervisor.Dispose();

    private static List<string> Environment(LaunchPlan plan)
    {
        var block = new List<string>();
        foreach (DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
        {
            if (!plan.Environment.ContainsKey((string)entry.Key))
                block.Add($"{entry.Key}={entry.Value}");
        }
        foreach (var (name, value) in plan.Environment)
            block.Add($"{name}={value}");
        return block;
    }
}
