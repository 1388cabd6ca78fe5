using System.Diagnostics;
using System.Text;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>Where the fuzzing of a device stands.</summary>
public readonly record struct QemuProgress(long Programs, double Seconds, int Features, int Corpus, int Deaths, int Hangs, int Unconfirmed);

/// <summary>
/// Fuzzes one device of QEMU: one process at a time, reset between programs by QMP's system_reset (half a millisecond; a fresh process costs a hundred times that)
/// and replaced when it died, was stopped, or is old.
/// </summary>
public sealed class QemuFuzzer : IDisposable
{
    private const int ProgramsPerProcess = 4_000, MostDeathsPerSlice = 60, MostHangsPerSlice = 3, KeptHistory = 64, MostHangFiles = 20;

    private readonly QemuDevice _device;
    private readonly OutputDirectory _output;
    private readonly QemuBuckets _buckets;
    private readonly FuzzRandom _random;
    private readonly QemuPrograms _programs;
    private readonly IQemuFeedback _feedback;
    private readonly QemuBinary _binary;
    private readonly List<IReadOnlyList<Operation>> _corpus = [];
    private readonly Queue<IReadOnlyList<Operation>> _history = [];
    private readonly HashSet<(int, OperationKind, ulong)> _wordless = [];
    private readonly IReadOnlyList<Operation> _prefix;
    private long _count;
    private double _seconds;
    private int _deaths, _hangs, _unconfirmed;
    private bool _calibrated;

    /// <param name="output">Programs that showed something are kept there as text, and read at the start.</param>
    /// <param name="binary">That the device is of; null: one without instrumentation.</param>
    public QemuFuzzer(QemuDevice device, OutputDirectory output, QemuBuckets buckets, ulong seed, QemuBinary? binary = null)
    {
        (_device, _output, _buckets) = (device, output, buckets);
        _binary = binary ?? new QemuBinary(device.Command.Program, 0, device.Command.Program);
        _feedback = _binary.IsInstrumented ? new MapFeedback(_binary.MapBytes) : new TraceFeedback();
        _random = new FuzzRandom(seed);
        _programs = new QemuPrograms(_random, device);
        _prefix = [Operation.Fill(QemuPrograms.Arena, QemuPrograms.ArenaBytes, 0), .. device.Setup];
        foreach (var path in output.Inputs("queue"))
            _corpus.Add(ProgramText.Parse(File.ReadAllText(path)));
    }

    public QemuDevice Device => _device;

    public QemuProgress Progress => new(_count, _seconds, _feedback.Features, _corpus.Count, _deaths, _hangs, _unconfirmed);

    /// <summary>Goes on for a while; ends sooner when the device kills process after process.</summary>
    /// <param name="elapsed">Of the campaign, told with what is found.</param>
    /// <param name="found">Given each new bucket.</param>
    public void Run(TimeSpan time, Func<TimeSpan> elapsed, Action<QemuBucket> found, CancellationToken cancellation)
    {
        var watch = Stopwatch.StartNew();
        var (deathsBefore, hangsBefore) = (_deaths, _hangs);
        if (!_calibrated)
        {
            _feedback.Calibrate(_device.Command, [.. _prefix, Operation.Read(Vmm.Bus.AddressSpace.Mmio, 0xd0000000, 4), Operation.Read(Vmm.Bus.AddressSpace.Port, 0x80, 1)]);
            _calibrated = true;
        }
        var replayed = _count > 0 ? _corpus.Count : 0;
        QemuProcess? process = null;
        try
        {
            var inProcess = 0;
            while (watch.Elapsed < time && !cancellation.IsCancellationRequested && _deaths - deathsBefore < MostDeathsPerSlice && _hangs - hangsBefore < MostHangsPerSlice)
            {
                if (process is null || process.IsStopped || inProcess >= ProgramsPerProcess || _feedback.IsFull)
                {
                    process?.Dispose();
                    process = _feedback.Start(_device.Command);
                    inProcess = 0;
                    _history.Clear();
                }
                var body = replayed < _corpus.Count ? _corpus[replayed] : Next();
                List<Operation> program = [.. _prefix, .. body];
                _count++;
                inProcess++;
                try
                {
                    _feedback.Begin();
                    var replies = process.Run(program);
                    process.Reset();
                    if (_feedback.Take(program, replies, process, () => { process.Run(program); process.Reset(); }) > 0 && replayed >= _corpus.Count)
                    {
                        _corpus.Add(body);
                        replayed = _corpus.Count;
                        _output.AddQueue(Encoding.UTF8.GetBytes(ProgramText.Format(body)));
                    }
                    replayed = Math.Min(replayed + 1, _corpus.Count);
                    _history.Enqueue(program);
                    if (_history.Count > KeptHistory)
                        _history.Dequeue();
                }
                catch (QemuDiedException died)
                {
                    replayed = Math.Min(replayed + 1, _corpus.Count);
                    var answered = process.Answered;
                    if (died.Hangs)
                    {
                        _hangs++;
                        if (_output.Hangs < MostHangFiles)
                            _output.AddHang(Encoding.UTF8.GetBytes(ProgramText.Format(program)), $"hang: no reply to operation {answered}\n");
                    }
                    else
                    {
                        _deaths++;
                        Judge(program, process.Status, process.Errors, answered, elapsed, found);
                    }
                    process.Dispose();
                    process = null;
                }
            }
        }
        finally
        {
            process?.Dispose();
            _seconds += watch.Elapsed.TotalSeconds;
        }
    }

    public void Dispose() => _feedback.Dispose();

    private IReadOnlyList<Operation> Next()
    {
        if (_corpus.Count == 0 || _random.OneIn(12))
            return _programs.New();
        // The newest half as often as all.
        var from = _random.OneIn(2) ? _corpus.Count / 2 : 0;
        return _programs.Mutate(_corpus[from + _random.Below(_corpus.Count - from)], _corpus[_random.Below(_corpus.Count)]);
    }

    private void Judge(List<Operation> program, int status, string errors, int answered, Func<TimeSpan> elapsed, Action<QemuBucket> found)
    {
        var words = QemuFailure.FromWords(status, errors);
        // A debugger for each death by a bare signal would take all the time.
        var at = program.Where(operation => QemuProcess.IsCommand(operation)).ElementAtOrDefault(answered);
        if (words is not null ? !_buckets.Claim(words.Bucket) : !_wordless.Add((status, at.Kind, at.Address)))
            return;
        var confirmed = Confirm(program, status);
        // Its names are known only now; another way to the same place is no new fault.
        if (confirmed is not null && _binary.IsInstrumented && IsKnown(confirmed))
            return;
        if (confirmed is null || new QemuTriage(_device.Command).Judge(confirmed, status, words?.Bucket) is not { } judged)
        {
            _unconfirmed++;
            if (words is not null)
                _buckets.Release(words.Bucket);
            return;
        }
        var (failure, small) = judged;
        var standing = failure.IsArtefact ? QemuStanding.Artefact : QemuStanding.Confirmed;
        if (_binary.IsInstrumented)
            (failure, small, standing) = OnPlain(confirmed, failure, small);
        _output.AddCrash(Encoding.UTF8.GetBytes(ProgramText.Format(small)), $"{failure.Bucket}\n{failure.Report}\n");
        var known = _buckets.All.Count;
        var bucket = _buckets.Add(failure, _device, small, elapsed(), standing, _binary);
        if (bucket.Number >= known)
            found(bucket);
    }

    private bool IsKnown(List<Operation> program) =>
        QemuScript.Play(_device.Command, QemuScript.From(program), symbolize: true) is { } end && QemuFailure.FromWords(end.Status, end.Errors) is { } failure && !_buckets.Claim(failure.Bucket, isAgain: true);

    // A finding counts when a QEMU as it is installed dies of it as well, of the small program or of the whole.
    private (QemuFailure Failure, IReadOnlyList<Operation> Program, QemuStanding Standing) OnPlain(List<Operation> whole, QemuFailure failure, IReadOnlyList<Operation> small)
    {
        var triage = new QemuTriage(_device.Command with { Program = _binary.Plain });
        if (triage.Confirm(small) is not { } plain)
        {
            if (triage.Confirm(whole) is null || triage.JudgeAny(whole) is not { } judged)
                return (failure with { Report = $"{Path.GetFileName(_binary.Plain)} without a sanitizer outlives it\n{failure.Report}" }, small, QemuStanding.OnlySanitizer);
            (plain, small) = judged;
        }
        var report = $"without a sanitizer: {plain.Bucket}\n{failure.Report}\n{plain.Report}";
        return (failure with { Report = report }, small, plain.IsArtefact ? QemuStanding.Artefact : QemuStanding.Confirmed);
    }

    // Alone, with a reset behind it, or after what ran before it.
    private List<Operation>? Confirm(List<Operation> program, int status)
    {
        var reset = Operation.Write(Vmm.Bus.AddressSpace.Port, 0xcf9, 1, 6);
        List<List<Operation>> tries = [program, [.. program, reset, Operation.Read(Vmm.Bus.AddressSpace.Port, 0x80, 1)]];
        if (_history.Count > 0)
            tries.Add([.. _history.SelectMany(before => before.Append(reset)), .. program]);
        return tries.FirstOrDefault(each => QemuScript.Play(_device.Command, QemuScript.From(each)) is { } end && end.Status == status);
    }
}
