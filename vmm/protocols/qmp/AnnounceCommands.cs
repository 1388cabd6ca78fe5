using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Machines;

namespace Gauntlet.Vmm.Protocols.Qmp;

/// <summary>
/// Tells the network where the guest is, as after it moved to another host (QEMU QMP Reference Manual, "announce-self"): each network device sends a reverse ARP
/// request at once, and again after growing pauses. They are the host's time, as the network's other ends are: they pass while the guest stands still.
/// </summary>
internal sealed class AnnounceCommands(QmpContext context)
{
    private const int MaxDelayMs = 100_000, MaxRounds = 1000;

    public IEnumerable<QmpCommand> All =>
    [
        QmpCommand.Action("announce-self", Announce, new("initial", "int"), new("max", "int"), new("rounds", "int"), new("step", "int"),
            new("interfaces", "any", IsOptional: true), new("id", IsOptional: true)),
    ];

    private void Announce(QmpArguments arguments)
    {
        var machine = context.Needed;
        if (arguments.Has("interfaces"))
            throw new QmpException("Parameter 'interfaces' is not supported: all network devices announce themselves");
        var schedule = new Schedule(
            InRange(arguments, "initial", MaxDelayMs), InRange(arguments, "max", MaxDelayMs), InRange(arguments, "rounds", MaxRounds), InRange(arguments, "step", MaxDelayMs));
        var id = arguments.TextOrNull("id") ?? "";
        var byId = context.Announcements;
        lock (byId)
        {
            // The id's old schedule ends, whatever was left of it.
            if (byId.Remove(id, out var running))
                running.Dispose();
            if (schedule.Rounds > 0)
                byId[id] = new Announcement(machine, schedule);
        }
    }

    private static int InRange(QmpArguments arguments, string name, int max) => arguments.Number(name) is >= 0 and var value && value <= max
        ? (int)value
        : throw new QmpException($"Parameter '{name}' expects a value between 0 and {max}");

    /// <summary>Times in milliseconds.</summary>
    private readonly record struct Schedule(int Initial, int Max, int Rounds, int Step)
    {
        /// <summary>The pause before a round, of which the first is 1.</summary>
        public int Before(int round) => (int)Math.Min(Initial + (long)Step * (round - 1), Max);
    }

    private sealed class Announcement : IDisposable
    {
        private readonly Machine _machine;
        private readonly Schedule _schedule;
        private readonly Timer _timer;
        private int _sent;

        public Announcement(Machine machine, Schedule schedule)
        {
            (_machine, _schedule) = (machine, schedule);
            _timer = new Timer(_ => Send());
            _timer.Change(0, Timeout.Infinite);
        }

        public void Dispose() => _timer.Dispose();

        private void Send()
        {
            lock (_machine.Bus.DeviceLock)
            {
                foreach (var device in _machine.Devices)
                {
                    if (device is VirtioPci { Device: VirtioNet net })
                        net.Announce();
                }
            }
            if (++_sent >= _schedule.Rounds)
                return;
            try
            {
                _timer.Change(_schedule.Before(_sent), Timeout.Infinite);
            }
            catch (ObjectDisposedException)
            {
                // Replaced while it sent: this was its last.
            }
        }
    }
}
