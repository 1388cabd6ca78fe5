using System.Diagnostics;
using System.Globalization;
using Gauntlet.Vmm.Tracing;

namespace Gauntlet.Vmm.Tests.Tracing;

/// <summary>A machine's trace as QEMU's own scripts/simpletrace.py reads it.</summary>
public sealed class QemuScriptTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gvmm-simpletrace-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [QemuSourceFact]
    public async Task Qemus_script_reads_every_event_that_was_written_with_its_values()
    {
        var (trace, events) = (Path.Combine(_folder, "trace"), Path.Combine(_folder, "events"));
        string[] devices = ["-serial", "null", "-drive", "file=null-co://,id=d0,if=none", "-device", "virtio-blk-pci,drive=d0"];
        Assert.Equal(1, await GuestProgram.RunAsync("smoke", ["-accel", "tcg", .. devices, "-trace", "*", "-trace", $"file={trace}"]));
        await File.WriteAllTextAsync(events, await GuestProgram.OutputAsync([.. GuestProgram.Bare, .. devices, "-trace", "help"]));

        using var script = Process.Start(new ProcessStartInfo("python3", ["-B", QemuSourceFactAttribute.Script("simpletrace.py"), events, trace])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var errors = script.StandardError.ReadToEndAsync();
        var lines = (await script.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(await GuestProgram.StatusAsync(script) == 0, await errors);

        var expected = new List<string>();
        await using var stream = File.OpenRead(trace);
        var reader = new SimpleTraceReader(stream);
        while (reader.Read() is { } record)
            expected.Add($"{record.Name} {string.Join(' ', record.Values.Select(InPython))}");
        Assert.True(expected.Count > 100);
        Assert.Equal(expected, lines.Select(NameAndValues));
    }

    // Its lines: the name, microseconds since the last event, pid=, then each field as name=value.
    private static string NameAndValues(string line)
    {
        var words = line.Split(' ');
        return $"{words[0]} {string.Join(' ', words.Skip(3).Select(word => word[(word.IndexOf('=', StringComparison.Ordinal) + 1)..]))}";
    }

    private static string InPython(TraceValue value) => value.Text is { } text ? $"b'{text}'" : string.Create(CultureInfo.InvariantCulture, $"0x{value.Number:x}");
}
