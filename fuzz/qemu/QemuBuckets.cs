using System.Globalization;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Harness.Suites;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>What a bucket's program does to a QEMU without instrumentation.</summary>
public enum QemuStanding
{
    /// <summary>Ends a fresh process, three times of three.</summary>
    Confirmed,

    /// <summary>Ends it, but only through qtest: no guest can bring it about.</summary>
    Artefact,

    /// <summary>Nothing that is seen: only AddressSanitizer or an instrumented build ends.</summary>
    OnlySanitizer,

    /// <summary>It ended some processes, but no fresh one three times of three.</summary>
    Flaky,
}

/// <summary>One fault, found on one device or several.</summary>
/// <param name="Number">From 0, by the time of finding.</param>
/// <param name="Signature">Of all that fall into it.</param>
/// <param name="Device">That it was found on.</param>
/// <param name="Seconds">Of fuzzing, until it was found.</param>
public sealed record QemuBucket(int Number, string Signature, string Device, long Seconds, QemuStanding Standing)
{
    /// <summary>A guest can bring it about, every time.</summary>
    public bool IsFailure => Standing is QemuStanding.Confirmed or QemuStanding.OnlySanitizer;

    /// <summary>Behind the signature, for people; empty for what counts.</summary>
    public string Remark => Standing switch { QemuStanding.Artefact => " (artefact)", QemuStanding.OnlySanitizer => " (only with the sanitizer)", QemuStanding.Flaky => " (flaky)", _ => "" };

    /// <summary>Deaths that fell into it, those that were told apart without a debugger.</summary>
    public long Count { get; internal set; } = 1;

    /// <summary>When it was first found.</summary>
    public DateTime SeenUtc { get; init; }
}

/// <summary>
/// The faults of a campaign, in a directory: a bucket's <c>.txt</c> is written last, when its program, script, shell command and case of <c>suite.yaml</c> are there. For all workers
/// of a process.
/// </summary>
public sealed class QemuBuckets
{
    private const int MostReleases = 4;
    private const string ArtefactWord = "artefact", SanitizerWord = "only with the sanitizer", FlakyWord = "flaky", CountsFile = "counts";

    private readonly string _folder;
    private readonly Dictionary<string, QemuBucket> _buckets = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _released = new(StringComparer.Ordinal);
    private readonly HashSet<string> _claimed = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();

    /// <summary>Reads what is there.</summary>
    public QemuBuckets(string folder)
    {
        _folder = folder;
        Directory.CreateDirectory(folder);
        var counts = ReadCounts();
        foreach (var file in Directory.EnumerateFiles(folder, "*.txt").Order(StringComparer.Ordinal))
        {
            if (File.ReadLines(file).Take(4).ToArray() is [var signature, var device, var seconds, var standing]
                && long.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out var at)
                && int.TryParse(Path.GetFileNameWithoutExtension(file), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                _buckets[signature] = new QemuBucket(number, signature, device, at, standing switch { ArtefactWord => QemuStanding.Artefact, SanitizerWord => QemuStanding.OnlySanitizer, FlakyWord => QemuStanding.Flaky, _ => QemuStanding.Confirmed })
                {
                    Count = counts.GetValueOrDefault(number, 1),
                    SeenUtc = File.GetLastWriteTimeUtc(file),
                };
            }
        }
    }

    /// <summary>Path of a bucket's files, without extension: <c>.program</c>, <c>.qtest</c>, <c>.sh</c>, <c>.txt</c>.</summary>
    public string Stem(int number) => Path.Combine(_folder, number.ToString("d3", CultureInfo.InvariantCulture));

    /// <summary>By the time of finding.</summary>
    public IReadOnlyList<QemuBucket> All
    {
        get
        {
            lock (_lock)
                return [.. _buckets.Values.OrderBy(bucket => bucket.Number)];
        }
    }

    /// <summary>True once for each signature: whoever claims it minimises it. Counts those that are known.</summary>
    /// <param name="isAgain">It was claimed under another signature already: only one that is known is none to be minimised.</param>
    public bool Claim(string signature, bool isAgain = false)
    {
        lock (_lock)
        {
            if (_buckets.TryGetValue(signature, out var known))
                CountOne(known);
            return known is null && (isAgain || _claimed.Add(signature));
        }
    }

    /// <summary>One more death of a bucket that is known.</summary>
    public void Count(string signature)
    {
        lock (_lock)
        {
            if (_buckets.TryGetValue(signature, out var known))
                CountOne(known);
        }
    }

    /// <summary>What was claimed did not come again: the next one may try, a few times.</summary>
    /// <returns>False when it was the last time.</returns>
    public bool Release(string signature)
    {
        lock (_lock)
        {
            _released[signature] = _released.GetValueOrDefault(signature) + 1;
            return _released[signature] < MostReleases && _claimed.Remove(signature);
        }
    }

    /// <summary>Keeps one with all that belongs to it.</summary>
    /// <param name="binary">That it was found on; the shell command names the plain one, where that ends of it.</param>
    public QemuBucket Add(QemuFailure failure, QemuDevice device, IReadOnlyList<Operation> program, TimeSpan after, QemuStanding standing, QemuBinary binary)
    {
        lock (_lock)
        {
            if (_buckets.TryGetValue(failure.Bucket, out var known))
            {
                CountOne(known);
                return known;
            }
            var number = _buckets.Count == 0 ? 0 : _buckets.Values.Max(static other => other.Number) + 1;
            var bucket = new QemuBucket(number, failure.Bucket, device.Name, (long)after.TotalSeconds, standing) { SeenUtc = DateTime.UtcNow };
            var command = device.Command with { Program = standing == QemuStanding.OnlySanitizer ? binary.Program : binary.Plain };
            var with = standing == QemuStanding.OnlySanitizer ? $"# Only a QEMU with AddressSanitizer dies of it: {binary.Program}\n" : "";
            var stem = Stem(bucket.Number);
            var script = QemuScript.From(program);
            File.WriteAllText($"{stem}.program", $"# {failure.Bucket}\n# {string.Join(' ', device.Command.Arguments("hlt.bin"))}\n{ProgramText.Format(program)}");
            File.WriteAllText($"{stem}.qtest", script);
            File.WriteAllText($"{stem}.sh", $"#!/bin/sh\n# {failure.Bucket}\n{with}{command.ShellCommand(script)}");
            var report = $"{failure.Bucket}\n{device.Name}\n{bucket.Seconds}\n{standing switch { QemuStanding.Artefact => ArtefactWord, QemuStanding.OnlySanitizer => SanitizerWord, QemuStanding.Flaky => FlakyWord, _ => "confirmed 3 of 3 on a fresh process" }}\n{failure.Report}\n{AddCase(bucket, device.Command)}";
            File.WriteAllText($"{stem}.tmp", report);
            File.Move($"{stem}.tmp", $"{stem}.txt", overwrite: true);
            _buckets[failure.Bucket] = bucket;
            return bucket;
        }
    }

    // A death costs a process: a file more is nothing beside it.
    private void CountOne(QemuBucket bucket)
    {
        bucket.Count++;
        var file = Path.Combine(_folder, CountsFile);
        File.WriteAllLines(file + ".tmp", _buckets.Values.OrderBy(static each => each.Number).Select(static each => string.Create(CultureInfo.InvariantCulture, $"{each.Number:d3} {each.Count}")));
        File.Move(file + ".tmp", file, overwrite: true);
    }

    private Dictionary<int, long> ReadCounts()
    {
        var (counts, file) = (new Dictionary<int, long>(), Path.Combine(_folder, CountsFile));
        foreach (var words in File.Exists(file) ? File.ReadLines(file).Select(static line => line.Split(' ')) : [])
        {
            if (words is [var number, var count] && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var of) && long.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var many))
                counts[of] = many;
        }
        return counts;
    }

    // What only qtest brings about, or does not come each time, is no case for a gate. Returns what is to be said where there is none for another reason.
    private string AddCase(QemuBucket bucket, QemuCommand command)
    {
        if (bucket.Standing is QemuStanding.Artefact or QemuStanding.Flaky)
            return "";
        try
        {
            var script = string.Create(CultureInfo.InvariantCulture, $"{bucket.Number:d3}.qtest");
            var suite = SuiteFile.Slug($"fuzz-{Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(_folder)))}");
            SuiteFile.Add(_folder, suite, "qemu", new SuiteCase(SuiteFile.NameOf(bucket.Number, bucket.Signature), script, command.Machine, command.Devices, bucket.Signature + bucket.Remark));
            return "";
        }
        catch (UserException exception)
        {
            return $"no case of {SuiteYaml.FileName}: {exception.Message}\n";
        }
    }
}
