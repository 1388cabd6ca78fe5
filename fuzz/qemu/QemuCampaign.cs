using System.Diagnostics;
using System.Globalization;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>What a campaign over devices of QEMU is asked for.</summary>
/// <param name="Binary">QEMU.</param>
/// <param name="Targets">Each device with its machine.</param>
/// <param name="Output">A folder for each device, <c>buckets</c>, and <c>schedule</c>; gone on from when it is there.</param>
/// <param name="Time">In all.</param>
/// <param name="Workers">Processes at the same time.</param>
public sealed record QemuCampaignRequest(QemuBinary Binary, IReadOnlyList<(string Device, string Machine)> Targets, string Output, TimeSpan Time, int Workers, ulong Seed);

/// <summary>
/// Shares time among devices: each has a turn first, then those that go on showing something new, or failing in new ways, have more than those that do not.
/// </summary>
public sealed class QemuCampaign
{
    // In features: a first turn shows some hundreds of them.
    private const double BucketWorth = 500;

    private readonly QemuCampaignRequest _request;
    private readonly QemuBuckets _buckets;
    private readonly List<Turns> _turns = [];
    private readonly Lock _lock = new();
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly string _schedule;
    private readonly Action<string> _say;
    private double _before;

    /// <param name="say">Given lines for people.</param>
    public QemuCampaign(QemuCampaignRequest request, Action<string> say)
    {
        (_request, _say) = (request, say);
        _buckets = new QemuBuckets(Path.Combine(request.Output, "buckets"));
        _schedule = Path.Combine(request.Output, "schedule");
        foreach (var (device, machine) in request.Targets)
            _turns.Add(new Turns(device, machine));
        if (!File.Exists(_schedule))
            return;
        foreach (var words in File.ReadLines(_schedule).Select(line => line.Split(' ')))
        {
            if (words is ["elapsed", var elapsed])
                _before = double.Parse(elapsed, CultureInfo.InvariantCulture);
            else if (words is [var name, var seconds, var worth] && _turns.FirstOrDefault(turn => turn.Name == name) is { } turn)
                (turn.Seconds, turn.Worth) = (double.Parse(seconds, CultureInfo.InvariantCulture), double.Parse(worth, CultureInfo.InvariantCulture));
        }
    }

    public QemuBuckets Buckets => _buckets;

    /// <summary>Each device was skipped.</summary>
    public bool IsOutOfTargets => _turns.All(turn => turn.IsOut);

    /// <summary>Of fuzzing in this directory, over all its sessions.</summary>
    public TimeSpan Elapsed => TimeSpan.FromSeconds(_before) + _watch.Elapsed;

    /// <summary>Until the time is over.</summary>
    public void Run(CancellationToken cancellation)
    {
        var workers = Enumerable.Range(0, _request.Workers).Select(_ => new Thread(() => Work(cancellation)) { IsBackground = true, Name = "qemu fuzzer" }).ToList();
        workers.ForEach(worker => worker.Start());
        workers.ForEach(worker => worker.Join());
        SaveSchedule();
        _turns.ForEach(turn => turn.Fuzzer?.Dispose());
    }

    /// <summary>Programs and seconds so far, over all devices.</summary>
    public (long Programs, double Seconds) Totals => (_turns.Sum(turn => turn.Fuzzer?.Progress.Programs ?? 0), _turns.Sum(turn => turn.Fuzzer?.Progress.Seconds ?? 0));

    private void Work(CancellationToken cancellation)
    {
        // Half of the time goes round, the other half where it is worth it.
        var slice = TimeSpan.FromSeconds(Math.Clamp(_request.Time.TotalSeconds * _request.Workers / (2 * _turns.Count), 5, 120));
        while (_watch.Elapsed < _request.Time && !cancellation.IsCancellationRequested && Take() is { } turn)
        {
            var left = _request.Time - _watch.Elapsed;
            try
            {
                turn.Fuzzer ??= new QemuFuzzer(
                    QemuDevice.Probe(_request.Binary.Program, turn.Machine, turn.Name), new OutputDirectory(Path.Combine(_request.Output, turn.Name)), _buckets, _request.Seed + (ulong)turn.Number,
                    _request.Binary);
                var (featuresBefore, bucketsBefore, secondsBefore) = (turn.Fuzzer.Progress.Features, _buckets.All.Count, turn.Fuzzer.Progress.Seconds);
                turn.Fuzzer.Run(left < slice ? left : slice, () => Elapsed, bucket => Say($"NEW {bucket.Device,-16} {bucket.Signature}{bucket.Remark}"), cancellation);
                var at = turn.Fuzzer.Progress;
                var spent = Math.Max(at.Seconds - secondsBefore, 0.1);
                turn.Worth = (at.Features - featuresBefore + BucketWorth * (_buckets.All.Count - bucketsBefore)) / spent;
                turn.Seconds += spent;
                Say($"    {turn.Name,-16} {at.Programs,8} programs {at.Programs / Math.Max(at.Seconds, 0.1),6:0}/s {at.Features,6} features {at.Corpus,5} corpus {at.Deaths,4} deaths {at.Hangs,2} hangs {at.Unconfirmed,2} unconfirmed");
            }
            catch (UserException exception)
            {
                Say($"skip {turn.Name}: {exception.Message.Split('\n')[0]}");
                turn.IsOut = true;
            }
            lock (_lock)
                turn.IsBusy = false;
            SaveSchedule();
        }
    }

    private Turns? Take()
    {
        lock (_lock)
        {
            for (var i = 0; i < _turns.Count; i++)
                _turns[i].Number = i;
            var free = _turns.Where(turn => turn is { IsBusy: false, IsOut: false }).ToList();
            var next = free.FirstOrDefault(turn => turn.Seconds == 0) ?? free.MaxBy(turn => turn.Worth / (1 + turn.Seconds / 120));
            next?.IsBusy = true;
            return next;
        }
    }

    private void SaveSchedule()
    {
        lock (_lock)
        {
            var lines = _turns.Select(turn => string.Create(CultureInfo.InvariantCulture, $"{turn.Name} {turn.Seconds:0.0} {turn.Worth:0.000}"))
                .Prepend(string.Create(CultureInfo.InvariantCulture, $"elapsed {Elapsed.TotalSeconds:0.0}"));
            File.WriteAllLines(_schedule + ".tmp", lines);
            File.Move(_schedule + ".tmp", _schedule, overwrite: true);
        }
    }

    private void Say(string text)
    {
        lock (_lock)
            _say($"{(long)Elapsed.TotalSeconds,5} s  {text}");
    }

    private sealed class Turns(string name, string machine)
    {
        public string Name => name;

        public string Machine => machine;

        public int Number { get; set; }

        public double Seconds { get; set; }

        /// <summary>New features a second in the last turn.</summary>
        public double Worth { get; set; }

        public bool IsBusy { get; set; }

        public bool IsOut { get; set; }

        public QemuFuzzer? Fuzzer { get; set; }
    }
}
