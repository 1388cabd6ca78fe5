using System.Diagnostics;
using System.Text;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>Where the fuzzing of a device stands.</summary>
public readonly record struct QemuProgress(long Programs, double Seconds, int Features, int Corpus, int Deaths, int Hangs, int Unconfirmed);

/// <summary>
/// Fuzzes one device of QEMU: one process at a time, reset by QMP's system_reset (half a millisecond, as much as some hundred operations; a fresh process costs a
/// hundred times that) and replaced when it died, was stopped, or is old. Programs that show nothing new run several between resets: each finds the device as the one
/// before left it, mapped again.
/// </summary>
public sealed class QemuFuzzer : IDisposable
{
    private const int ProgramsPerProcess = 4_000, MostDeathsPerSlice = 60, MostHangsPerSlice = 3, KeptOperations = 20_000, MostHangFiles = 20;

    /// <summary>Programs between resets where nothing new shows.</summary>
    public const int MostTogether = 16;

    private readonly QemuDevice _device;
    private readonly OutputDirectory _output;
    private readonly QemuBuckets _buckets;
    private readonly FuzzRandom _random;
    private readonly QemuPrograms _programs;
    private readonly IQemuFeedback _feedback;
    private readonly QemuBinary _binary;
    private readonly List<IReadOnlyList<Operation>> _corpus = [];
    // What ran on the process, a reset behind each.
    private readonly Queue<IReadOnlyList<Operation>> _history = [];
    // The first of the corpus, which is what a driver does.
    private readonly int _seeds;
    // Deaths without words, by what was going on: the bucket that a debugger told, or nothing.
    private readonly Dictionary<(int Status, OperationKind Kind, ulong Address), string?> _wordless = [];
    private readonly IReadOnlyList<Operation> _prefix;
    private long _count;
    private double _seconds;
    private int _deaths, _hangs, _unconfirmed;
    private bool _calibrated;
    private int _replayed, _together = 1, _operationsKept;
    private List<List<Operation>> _sent = [];

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
        _corpus.AddRange(QemuSeeds.For(device));
        _seeds = _corpus.Count;
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
        QemuProcess? process = null;
        try
        {
            var first = _count;
            while (watch.Elapsed < time && !cancellation.IsCancellationRequested && _deaths - deathsBefore < MostDeathsPerSlice && _hangs - hangsBefore < MostHangsPerSlice)
            {
                if (process is null || process.IsStopped || _count - first >= ProgramsPerProcess || _feedback.IsFull)
                {
                    process?.Dispose();
                    process = _feedback.Start(_device.Command);
                    first = _count;
                    _history.Clear();
                    _operationsKept = 0;
                }
                try
                {
                    Step(process);
                }
                catch (QemuDiedException died)
                {
                    _together = 1;
                    var answered = process.Answered;
                    var (program, before) = RunningAt(answered);
                    if (died.Hangs)
                    {
                        _hangs++;
                        if (_output.Hangs < MostHangFiles)
                            _output.AddHang(Encoding.UTF8.GetBytes(ProgramText.Format(program)), $"hang: no reply to operation {answered}\n{_device.Command.ShellCommand(QemuScript.From(program))}", elapsed(), _count);
                    }
                    else
                    {
                        _deaths++;
                        Judge(program, before, process.Status, process.Errors, CommandAt(answered), elapsed, found);
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

    // Programs, one after another, and a reset.
    private void Step(QemuProcess process)
    {
        var isReplay = _replayed < _corpus.Count;
        var bodies = isReplay ? _corpus.GetRange(_replayed, Math.Min(_together, _corpus.Count - _replayed)) : [.. Enumerable.Range(0, _together).Select(_ => Next())];
        // One that dies is not tried again.
        _replayed += isReplay ? bodies.Count : 0;
        _count += bodies.Count;
        var (all, replies) = RunAll(process, bodies);
        var isNew = _feedback.IsNew(all, replies, process);
        if (isNew && _feedback.IsExact && bodies is [var only])
        {
            _feedback.Settle();
            Keep(only, isReplay);
        }
        else if (isNew)
        {
            foreach (var body in bodies)
            {
                (var program, replies) = RunAll(process, [body]);
                if (_feedback.Take(program, replies, process, bodies.Count == 1) > 0)
                    Keep(body, isReplay);
            }
            _feedback.Settle();
        }
        // Where much is new, running together is in vain.
        _together = isNew || process.IsStopped ? Math.Max(_together / 2, 1) : Math.Min(_together * 2, MostTogether);
    }

    private (IReadOnlyList<Operation> Program, IReadOnlyList<ulong> Replies) RunAll(QemuProcess process, IEnumerable<IReadOnlyList<Operation>> bodies)
    {
        _sent = [.. bodies.Select(body => (List<Operation>)[.. _prefix, .. body])];
        List<Operation> all = _sent is [var only] ? only : [.. _sent.SelectMany(program => program)];
        _feedback.Begin();
        var replies = process.Run(all);
        process.Reset();
        _history.Enqueue(all);
        for (_operationsKept += all.Count; _operationsKept > KeptOperations && _history.Count > 1;)
            _operationsKept -= _history.Dequeue().Count;
        return (all, replies);
    }

    private void Keep(IReadOnlyList<Operation> body, bool isReplay)
    {
        if (isReplay)
            return;
        _corpus.Add(body);
        _replayed = _corpus.Count;
        _output.AddQueue(Encoding.UTF8.GetBytes(ProgramText.Format(body)));
    }

    // Of the programs that ran together, the one that did not get all its replies, and those before it.
    private (List<Operation> Program, List<Operation> Before) RunningAt(int answered)
    {
        List<Operation> before = [];
        foreach (var program in _sent)
        {
            answered -= program.Count(operation => QemuProcess.IsCommand(operation));
            if (answered < 0 || ReferenceEquals(program, _sent[^1]))
                return (program, before);
            before.AddRange(program);
        }
        return ([], before);
    }

    private Operation CommandAt(int answered) => _sent.SelectMany(program => program).Where(operation => QemuProcess.IsCommand(operation)).ElementAtOrDefault(answered);

    private IReadOnlyList<Operation> Next()
    {
        if (_corpus.Count == 0 || _random.OneIn(12))
            return _programs.New();
        if (_seeds > 0 && _random.OneIn(4))
            return _programs.Mutate(_corpus[_random.Below(_seeds)], _corpus[_random.Below(_corpus.Count)]);
        // The newest half as often as all.
        var from = _random.OneIn(2) ? _corpus.Count / 2 : 0;
        return _programs.Mutate(_corpus[from + _random.Below(_corpus.Count - from)], _corpus[_random.Below(_corpus.Count)]);
    }

    private void Judge(List<Operation> program, List<Operation> before, int status, string errors, in Operation at, Func<TimeSpan> elapsed, Action<QemuBucket> found)
    {
        var words = QemuFailure.FromWords(status, errors);
        // A debugger for each death by a bare signal would take all the time.
        var silent = (status, at.Kind, at.Address);
        if (words is null && _wordless.TryGetValue(silent, out var told))
        {
            if (told is not null)
                _buckets.Count(told);
            return;
        }
        if (words is not null && !_buckets.Claim(words.Bucket))
            return;
        if (words is null)
            _wordless[silent] = null;
        var confirmed = Confirm(program, before, status);
        // Its names are known only now; another way to the same place is no new fault.
        if (confirmed is not null && _binary.IsInstrumented && IsKnown(confirmed))
            return;
        if (confirmed is null || new QemuTriage(_device.Command).Judge(confirmed, status, words?.Bucket) is not { } judged)
        {
            _unconfirmed++;
            if (words is not null && !_buckets.Release(words.Bucket))
            {
                var report = words with { Report = $"it came several times, and never three times of three on a fresh process; the program is the last one that it came with\n{words.Report}" };
                found(_buckets.Add(report, _device, [.. before, .. program], elapsed(), QemuStanding.Flaky, _binary));
            }
            return;
        }
        var (failure, small) = judged;
        var standing = failure.IsArtefact ? QemuStanding.Artefact : QemuStanding.Confirmed;
        if (_binary.IsInstrumented)
            (failure, small, standing) = OnPlain(confirmed, failure, small);
        _output.AddCrash(Encoding.UTF8.GetBytes(ProgramText.Format(small)), $"{failure.Bucket}\n{failure.Report}\n", elapsed(), _count);
        if (words is null)
            _wordless[silent] = failure.Bucket;
        var isNew = _buckets.All.All(bucket => bucket.Signature != failure.Bucket);
        var bucket = _buckets.Add(failure, _device, small, elapsed(), standing, _binary);
        if (isNew)
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

    // Alone, with a reset behind it, behind those that ran with it, or after what ran before it: a timer may kill long after its cause.
    private List<Operation>? Confirm(List<Operation> program, List<Operation> before, int status)
    {
        var reset = Operation.Write(Vmm.Bus.AddressSpace.Port, 0xcf9, 1, 6);
        List<List<Operation>> tries = [program, [.. program, reset, Operation.Read(Vmm.Bus.AddressSpace.Port, 0x80, 1)]];
        if (before.Count > 0)
            tries.Add([.. before, .. program]);
        if (_history.Count > 0)
            tries.Add([.. _history.SelectMany(ran => ran.Append(reset)), .. before, .. program]);
        return tries.FirstOrDefault(each => QemuScript.Play(_device.Command, QemuScript.From(each)) is { } end && end.Status == status);
    }
}
