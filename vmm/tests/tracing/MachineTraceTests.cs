using Gauntlet.Vmm.Tracing;

namespace Gauntlet.Vmm.Tests.Tracing;

/// <summary>What the program tells of a guest that runs.</summary>
public sealed class MachineTraceTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gvmm-trace-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task The_console_can_be_read_from_the_trace_of_the_serial_port()
    {
        var (trace, console) = (Path.Combine(_folder, "trace"), Path.Combine(_folder, "console"));
        Assert.Equal(1, await GuestProgram.RunAsync("smoke", "-accel", "tcg", "-serial", $"file:{console}", "-trace", "isa_serial_*", "-trace", $"-isa_serial_read,file={trace}"));
        var sent = new List<byte>();
        await using var stream = File.OpenRead(trace);
        var reader = new SimpleTraceReader(stream);
        var last = long.MinValue;
        while (reader.Read() is { } record)
        {
            Assert.Equal(TraceEvents.RegisterWrite("isa-serial").Name, record.Name);
            Assert.True(record.Nanoseconds >= last);
            last = record.Nanoseconds;
            // The transmitter holding register; before it the divisor's low byte is there, written once with 1.
            if (record.Values[2].Number == 0 && record.Values[4].Number > 1)
                sent.Add((byte)record.Values[4].Number);
        }
        Assert.False(reader.IsCut);
        Assert.Equal(await File.ReadAllBytesAsync(console), sent);
        Assert.True(sent.Count > 100);
    }

    [Fact]
    public async Task Help_declares_every_event_of_the_machine_once()
    {
        var listing = await GuestProgram.OutputAsync("-trace", "help", "-device", "virtio-rng-pci", "-serial", "null");
        var names = listing.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line[..line.IndexOf('(', StringComparison.Ordinal)]).ToList();
        Assert.Equal(names.Distinct(), names);
        Assert.Contains("virtio_rng_pci_queue_pop", names);
        Assert.Contains("isa_serial_write", names);
        Assert.All(names, name => Assert.NotNull(TraceEvents.Find(name)));
    }
}
