using System.Buffers.Binary;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Machines;

/// <summary>
/// A machine's state in a snapshot file, and back into a machine made by the same command line (vmm/state/README.md says what is in it). Both want the
/// machine to stand still, and the device lock held.
/// </summary>
internal static class MachineSnapshot
{
    private const int PageBytes = GuestRam.PageSize;

    /// <summary>Pages of one section, at most: 1 MiB.</summary>
    private const int PagesPerSection = 256;

    private const int MaxTextBytes = 4096, MaxRuns = 64;

    /// <summary>All sections but RAM's are kept until the file is seen to be whole; a hostile one must not fill the host's memory.</summary>
    private const long MaxStateBytes = 256 << 20;

    /// <param name="run">Whether it ran, and what it had asked for.</param>
    public static void Write(Machine machine, MachineRunState run, Stream target)
    {
        var file = new SnapshotWriter(target);
        var buffer = new StateWriter();
        WriteIdentity(machine, run, buffer);
        file.Add(SnapshotSection.Machine, 0, buffer.Written);

        buffer.Clear();
        buffer.Int64(machine.Clock.NowNs);
        file.Add(SnapshotSection.Clock, 0, buffer.Written);

        for (var i = 0; i < machine.Devices.Count; i++)
        {
            if (machine.Devices[i] is ISaveable device)
                Add(SnapshotSection.Device, i, device, machine.Devices[i].Name);
        }
        if (machine.Accelerator.IrqChip is { } irqChip)
            Add(SnapshotSection.IrqChip, 0, irqChip, machine.Accelerator.Name);
        for (var i = 0; i < machine.Vcpus.Count; i++)
            Add(SnapshotSection.Vcpu, i, machine.Vcpus[i], machine.Accelerator.Name);
        for (var i = 0; i < machine.Memory.Backing.Count; i++)
            WritePages(file, i, machine.Memory.Backing[i]);
        file.End();

        void Add(SnapshotSection kind, int instance, ISaveable part, string name)
        {
            buffer.Clear();
            buffer.Text(name);
            buffer.Int32(part.StateVersion);
            part.Save(buffer);
            file.Add(kind, instance, buffer.Written);
        }
    }

    /// <summary>Checks the whole file, then loads it.</summary>
    /// <param name="touched">Called when the first of the machine's state is about to change: a failure later leaves it in no usable state.</param>
    /// <exception cref="StateFormatException">Damaged, or of another machine.</exception>
    /// <exception cref="AcceleratorException">The accelerator does not take it.</exception>
    public static MachineRunState Read(Machine machine, Stream source, Action touched)
    {
        var start = source.Position;
        var kept = new Dictionary<(SnapshotSection, uint), byte[]>();
        var run = Check(machine, new SnapshotReader(source), kept);

        touched();
        source.Position = start;
        ReadPages(machine, new SnapshotReader(source));
        var clock = new StateReader(kept[(SnapshotSection.Clock, 0)]);
        var now = clock.Int64();
        if (now < 0)
            throw new StateFormatException($"virtual time {now}: it cannot be below 0");
        machine.Clock.SetNow(now);
        for (var i = 0; i < machine.Devices.Count; i++)
        {
            if (machine.Devices[i] is ISaveable device)
                Load(SnapshotSection.Device, i, device, machine.Devices[i].Name);
        }
        if (machine.Accelerator.IrqChip is { } irqChip)
            Load(SnapshotSection.IrqChip, 0, irqChip, machine.Accelerator.Name);
        for (var i = 0; i < machine.Vcpus.Count; i++)
            Load(SnapshotSection.Vcpu, i, machine.Vcpus[i], machine.Accelerator.Name);
        // Again, for a clock that goes by the vCPU's instructions, of which there is another number now.
        machine.Clock.SetNow(now);
        return run;

        void Load(SnapshotSection kind, int instance, ISaveable part, string name)
        {
            var reader = new StateReader(kept[(kind, (uint)instance)]);
            _ = reader.Text(MaxTextBytes);
            _ = reader.Int32();
            try
            {
                part.Load(ref reader);
            }
            catch (StateFormatException why)
            {
                throw new StateFormatException($"{name}: {why.Message}");
            }
            if (reader.Remaining > 0)
                throw new StateFormatException($"{name}: {reader.Remaining} bytes of its state are left over");
        }
    }

    private static void WriteIdentity(Machine machine, MachineRunState run, StateWriter writer)
    {
        writer.Text(machine.Type);
        writer.Text(machine.Accelerator.Name);
        writer.Byte(KernelIrqChipOf(machine));
        writer.Text(machine.CpuModel);
        writer.Int32(machine.Vcpus.Count);
        writer.Int32(machine.Memory.Backing.Count);
        foreach (var ram in machine.Memory.Backing)
        {
            writer.Text(ram.Name);
            writer.UInt64(ram.GuestAddress);
            writer.UInt64(ram.Length);
            writer.Bool(ram.ReadOnly);
        }
        writer.Int32(machine.Devices.Count);
        foreach (var device in machine.Devices)
            writer.Text(device.Name);
        run.Write(writer);
    }

    private static byte KernelIrqChipOf(Machine machine) => machine.Accelerator.IrqChip switch
    {
        null => 0,
        { Split: null } => 1,
        _ => 2,
    };

    private static string NameOfKernelIrqChip(byte value) => value switch
    {
        0 => "off",
        1 => "on",
        2 => "split",
        _ => $"unknown ({value})",
    };

    private static MachineRunState CheckIdentity(Machine machine, ref StateReader reader)
    {
        Same("machine type", reader.Text(MaxTextBytes), machine.Type);
        Same("accelerator", reader.Text(MaxTextBytes), machine.Accelerator.Name);
        Same("kernel-irqchip", NameOfKernelIrqChip(reader.Byte()), NameOfKernelIrqChip(KernelIrqChipOf(machine)));
        Same("CPU model", reader.Text(MaxTextBytes), machine.CpuModel);
        Same("number of vCPUs", $"{reader.Int32()}", $"{machine.Vcpus.Count}");
        var runs = reader.Int32();
        if (runs is < 0 or > MaxRuns)
            throw new StateFormatException($"{runs} runs of RAM, where at most {MaxRuns} are allowed");
        var saved = new List<string>();
        for (var i = 0; i < runs; i++)
            saved.Add(Describe(reader.Text(MaxTextBytes), reader.UInt64(), reader.UInt64(), reader.Bool()));
        var own = new List<string>();
        foreach (var ram in machine.Memory.Backing)
            own.Add(Describe(ram.Name, ram.GuestAddress, ram.Length, ram.ReadOnly));
        Same("memory", string.Join("; ", saved), string.Join("; ", own));
        var devices = reader.Int32();
        for (var i = 0; i < Math.Min(devices, machine.Devices.Count); i++)
            Same($"device {i}", reader.Text(MaxTextBytes), machine.Devices[i].Name);
        Same("number of devices", $"{devices}", $"{machine.Devices.Count}");
        return MachineRunState.Read(ref reader, machine.Vcpus.Count);

        static string Describe(string name, ulong address, ulong length, bool readOnly) => $"{name} at 0x{address:x}, 0x{length:x} bytes{(readOnly ? ", read-only" : "")}";

        static void Same(string what, string saved, string own)
        {
            if (saved != own)
                throw new StateFormatException($"the snapshot is of another machine: {what} is '{saved}' there and '{own}' here; start gvmm with the options that the snapshot was taken under");
        }
    }

    // Reads all of it once: nothing of the machine changes before the file is known to be whole and to fit.
    private static MachineRunState Check(Machine machine, SnapshotReader file, Dictionary<(SnapshotSection, uint), byte[]> kept)
    {
        MachineRunState? run = null;
        long keptBytes = 0;
        while (file.Next())
        {
            var header = file.Header;
            if (run is null)
            {
                if (header.Kind != SnapshotSection.Machine)
                    throw new StateFormatException("the snapshot does not begin with the machine that it is of");
                var identity = new StateReader(file.Payload);
                run = CheckIdentity(machine, ref identity);
                continue;
            }
            if (header.Kind == SnapshotSection.Pages)
            {
                CheckPages(machine, header, file.Payload);
                continue;
            }
            CheckPart(machine, header, file.Payload);
            if ((keptBytes += header.Length) > MaxStateBytes)
                throw new StateFormatException($"more than {MaxStateBytes >> 20} MiB of state beside RAM");
            if (!kept.TryAdd((header.Kind, header.Instance), file.Payload.ToArray()))
                throw new StateFormatException($"two sections {header.Kind} {header.Instance}");
        }
        if (run is null)
            throw new StateFormatException("the snapshot is empty");
        Need(SnapshotSection.Clock, 0, "the clock");
        for (var i = 0; i < machine.Devices.Count; i++)
        {
            if (machine.Devices[i] is ISaveable)
                Need(SnapshotSection.Device, i, machine.Devices[i].Name);
        }
        if (machine.Accelerator.IrqChip is not null)
            Need(SnapshotSection.IrqChip, 0, "the interrupt controllers");
        for (var i = 0; i < machine.Vcpus.Count; i++)
            Need(SnapshotSection.Vcpu, i, $"vCPU {i}");
        return run.Value;

        void Need(SnapshotSection kind, int instance, string name)
        {
            if (!kept.ContainsKey((kind, (uint)instance)))
                throw new StateFormatException($"the snapshot has no state of {name}");
        }
    }

    private static void CheckPart(Machine machine, SnapshotSectionHeader header, ReadOnlySpan<byte> payload)
    {
        var part = header.Kind switch
        {
            SnapshotSection.Clock when header.Instance == 0 => null,
            SnapshotSection.Device when header.Instance < machine.Devices.Count && machine.Devices[(int)header.Instance] is ISaveable device => device,
            SnapshotSection.IrqChip when header.Instance == 0 && machine.Accelerator.IrqChip is { } irqChip => irqChip,
            SnapshotSection.Vcpu when header.Instance < machine.Vcpus.Count => (ISaveable)machine.Vcpus[(int)header.Instance],
            _ => throw new StateFormatException($"a section {header.Kind} {header.Instance}, which this machine has no use for"),
        };
        if (part is null)
            return;
        var reader = new StateReader(payload);
        var name = reader.Text(MaxTextBytes);
        var version = reader.Int32();
        if (version != part.StateVersion)
            throw new StateFormatException($"{name}: state of version {version}; this gvmm reads version {part.StateVersion}");
    }

    // Runs of pages that are not all zeros. What was never touched is not even read.
    private static void WritePages(SnapshotWriter file, int index, GuestRam ram)
    {
        Span<byte> place = stackalloc byte[sizeof(ulong)];
        for (var at = 0UL; ram.TryFindData(at, out var from, out var to); at = to)
        {
            for (var page = from / PageBytes; page < to / PageBytes;)
            {
                var count = 0;
                while (count < PagesPerSection && page + (ulong)count < to / PageBytes && Page(page + (ulong)count, 1).ContainsAnyExcept((byte)0))
                    count++;
                if (count > 0)
                {
                    BinaryPrimitives.WriteUInt64LittleEndian(place, page);
                    file.Add(SnapshotSection.Pages, index, place, Page(page, count));
                }
                page += (ulong)Math.Max(count, 1);
            }
        }

        unsafe ReadOnlySpan<byte> Page(ulong number, int count) => new(ram.HostPointer + number * PageBytes, count * PageBytes);
    }

    private static void CheckPages(Machine machine, SnapshotSectionHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.Instance >= machine.Memory.Backing.Count)
            throw new StateFormatException($"pages of run {header.Instance} of RAM, where there are {machine.Memory.Backing.Count}");
        var pages = machine.Memory.Backing[(int)header.Instance].Length / PageBytes;
        var reader = new StateReader(payload);
        var first = reader.UInt64();
        var count = (ulong)reader.Remaining / PageBytes;
        if (reader.Remaining == 0 || reader.Remaining % PageBytes != 0 || first >= pages || count > pages - first)
            throw new StateFormatException($"{reader.Remaining} bytes of pages from page {first}, where {machine.Memory.Backing[(int)header.Instance].Name} has {pages} pages");
    }

    private static void ReadPages(Machine machine, SnapshotReader file)
    {
        foreach (var ram in machine.Memory.Backing)
        {
            ram.Clear();
            machine.Memory.NoteWritten(ram, 0, ram.Length);
        }
        while (file.Next())
        {
            if (file.Header.Kind != SnapshotSection.Pages)
                continue;
            // Again: the file may have changed since.
            CheckPages(machine, file.Header, file.Payload);
            var ram = machine.Memory.Backing[(int)file.Header.Instance];
            var first = BinaryPrimitives.ReadUInt64LittleEndian(file.Payload);
            machine.Memory.Write(ram, first * PageBytes, file.Payload[sizeof(ulong)..]);
        }
    }
}
