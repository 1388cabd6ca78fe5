using System.Globalization;
using Gauntlet.Fuzz.Programs;

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
}

/// <summary>One fault, found on one device or several.</summary>
/// <param name="Number">From 0, by the time of finding.</param>
/// <param name="Signature">Of all that fall into it.</param>
/// <param name="Device">That it was found on.</param>
/// <param name="Seconds">Of fuzzing, until it was found.</param>
public sealed record QemuBucket(int Number, string Signature, string Device, long Seconds, QemuStanding Standing)
{
    /// <summary>No guest can bring it about.</summary>
    public bool IsArtefact => Standing == QemuStanding.Artefact;

    /// <summary>Behind the signature, for people; empty for what counts.</summary>
    public string Remark => Standing switch { QemuStanding.Artefact => " (artefact)", QemuStanding.OnlySanitizer => " (only with the sanitizer)", _ => "" };

    public long Count { get; internal set; } = 1;
}

/// <summary>
/// The faults of a campaign, in a directory: a bucket's <c>.txt</c> is written last, when its program, script, shell command and report are there. For all workers
/// of a process.
/// </summary>
public sealed class QemuBuckets
{
    private const int MostReleases = 4;
    private const string ArtefactWord = "artefact", SanitizerWord = "only with the sanitizer";

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
        foreach (var file in Directory.EnumerateFiles(folder, "*.txt").Order(StringComparer.Ordinal))
        {
            if (File.ReadLines(file).Take(4).ToArray() is [var signature, var device, var seconds, var standing]
                && long.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out var at))
                _buckets[signature] = new QemuBucket(_buckets.Count, signature, device, at, standing switch { ArtefactWord => QemuStanding.Artefact, SanitizerWord => QemuStanding.OnlySanitizer, _ => QemuStanding.Confirmed });
        }
    }

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
                known.Count++;
            return known is null && (isAgain || _claimed.Add(signature));
        }
    }

    /// <summary>What was claimed did not come again: the next one may try, a few times.</summary>
    public void Release(string signature)
    {
        lock (_lock)
        {
            _released[signature] = _released.GetValueOrDefault(signature) + 1;
            if (_released[signature] < MostReleases)
                _claimed.Remove(signature);
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
                known.Count++;
                return known;
            }
            var bucket = new QemuBucket(_buckets.Count, failure.Bucket, device.Name, (long)after.TotalSeconds, standing);
            var command = device.Command with { Program = standing == QemuStanding.OnlySanitizer ? binary.Program : binary.Plain };
            var with = standing == QemuStanding.OnlySanitizer ? $"# Only a QEMU with AddressSanitizer dies of it: {binary.Program}\n" : "";
            var stem = Path.Combine(_folder, bucket.Number.ToString("d3", CultureInfo.InvariantCulture));
            var script = QemuScript.From(program);
            File.WriteAllText($"{stem}.program", $"# {failure.Bucket}\n# {string.Join(' ', device.Command.Arguments("hlt.bin"))}\n{ProgramText.Format(program)}");
            File.WriteAllText($"{stem}.qtest", script);
            File.WriteAllText($"{stem}.sh", $"#!/bin/sh\n# {failure.Bucket}\n{with}{command.ShellCommand(script)}");
            var report = $"{failure.Bucket}\n{device.Name}\n{bucket.Seconds}\n{standing switch { QemuStanding.Artefact => ArtefactWord, QemuStanding.OnlySanitizer => SanitizerWord, _ => "confirmed 3 of 3 on a fresh process" }}\n{failure.Report}\n";
            File.WriteAllText($"{stem}.tmp", report);
            File.Move($"{stem}.tmp", $"{stem}.txt", overwrite: true);
            _buckets[failure.Bucket] = bucket;
            return bucket;
        }
    }
}
