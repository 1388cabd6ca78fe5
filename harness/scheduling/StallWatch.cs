using System.Net.Sockets;
using Gauntlet.Harness.Drivers;

namespace Gauntlet.Harness.Scheduling;

/// <summary>
/// Finds out that a guest makes no progress, so that its time limit need not be waited for: a guest that spins in a handful of states while
/// its console is silent is at its limit what it is now.
/// </summary>
/// <remarks>
/// The registers of every vCPU, all that the monitor prints, are sampled <see cref="Samples"/> times, each after the VMM has used another
/// <see cref="CpuBetweenSamples"/> of CPU time. There is no progress when the states are few and the second half shows next to none that the first half did
/// not: a loop has rare states too. A counter, a pointer that moves, a clock that is read, each makes new states for ever. An idle guest uses no CPU time
/// and is never judged. What could be judged wrongly is a guest that polls a memory location, and nothing else, for an interrupt that comes only after all this time: give it a console line
/// now and then, or switch the watch off.
/// </remarks>
public static class StallWatch
{
    public const int Samples = 512;

    /// <summary>States of one vCPU that may be new in the second half.</summary>
    public const int MaxLateStates = 4;

    /// <summary>States of one vCPU beyond which a loop is too long to be told from progress.</summary>
    public const int MaxStates = 64;

    public static readonly TimeSpan CpuBetweenSamples = TimeSpan.FromMilliseconds(5);

    /// <summary>True when there is no progress; false when there is, or it cannot be known.</summary>
    /// <param name="cpuTime">CPU time that the VMM has used so far.</param>
    public static async Task<bool> SeesNoProgressAsync(GuestInspector guest, Func<TimeSpan> cpuTime, CancellationToken cancellation)
    {
        var states = new VcpuStates();
        try
        {
            var next = cpuTime();
            for (var sample = 0; sample < Samples; sample++)
            {
                while (cpuTime() < next)
                    await Task.Delay(CpuBetweenSamples, cancellation);
                next = cpuTime() + CpuBetweenSamples;
                if (!states.Add(await guest.ReadRegistersAsync(cancellation), mayBeNew: sample < Samples / 2))
                    return false;
            }
            return true;
        }
        catch (Exception e) when (e is QmpException or SocketException or IOException or OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>The states seen of each vCPU.</summary>
    internal sealed class VcpuStates
    {
        private readonly List<HashSet<string>> _seen = [];
        private readonly List<int> _late = [];

        /// <summary>False when this sample shows that the guest goes on, or that its loop is a long one.</summary>
        public bool Add(string registers, bool mayBeNew)
        {
            var index = 0;
            foreach (var vcpu in GuestInspector.Split(registers))
            {
                if (index == _seen.Count)
                {
                    _seen.Add([]);
                    _late.Add(0);
                }
                if (_seen[index].Add(vcpu) && (_seen[index].Count > MaxStates || (!mayBeNew && ++_late[index] > MaxLateStates)))
                    return false;
                index++;
            }
            return index > 0;
        }
    }
}
