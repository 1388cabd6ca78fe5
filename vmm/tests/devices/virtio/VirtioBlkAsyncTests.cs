using System.Buffers.Binary;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>A disk whose requests are carried out while the guest runs.</summary>
public sealed class VirtioBlkAsyncTests : IDisposable
{
    private const ulong Header = 0x20000, StatusAddress = 0x30000, Data = 0x40000;
    private const uint In = 0, Out = 1, Flush = 4;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly SlowImage _disk = new(64 * 512);
    private readonly SemaphoreSlim _completed = new(0);
    private readonly VirtioPciRig _rig;
    private readonly VirtioBlk _device;
    private RingDriver _driver;
    private readonly Dictionary<ushort, int> _places = [];
    private int _requests;

    public VirtioBlkAsyncTests()
    {
        (_rig, _device) = NewRig(_disk, _completed);
        _driver = _rig.Start();
    }

    public void Dispose()
    {
        _disk.Gate.Set();
        _rig.Transport.Dispose();
        _completed.Dispose();
    }

    [Fact]
    public async Task The_guest_goes_on_while_the_disk_works()
    {
        _disk.Gate.Reset();
        Submit(Out, 1);
        Submit(In, 1);
        Assert.Null(_driver.Take());
        Assert.False(_rig.Intx.Level);
        _disk.Gate.Set();
        Assert.Equal([0, 1], await Collect(2));
        Assert.True(_rig.Intx.Level);
    }

    [Fact]
    public void A_read_that_need_not_wait_for_the_host_is_done_when_the_notification_is()
    {
        _disk.IsInMemory = true;
        _disk.Content.AsSpan(512, 512).Fill(7);
        Submit(In, 1);
        Assert.Equal(0, _places[_driver.Take()!.Value.Id]);
        Assert.True(_rig.Intx.Level);
        Assert.Equal(7, _rig.Memory.Bytes[(int)Data]);
        Assert.Equal(0, _rig.Memory.Bytes[(int)StatusAddress]);
        Assert.Equal(["read now 512"], _disk.Log);
        Assert.Equal(0, _completed.CurrentCount);
    }

    [Fact]
    public async Task A_read_behind_a_request_under_way_does_not_touch_the_image_beside_it()
    {
        _disk.IsInMemory = true;
        _disk.Gate.Reset();
        Submit(Out, 1);
        Submit(In, 1);
        _disk.Gate.Set();
        Assert.Equal([0, 1], await Collect(2));
        Assert.Equal(["write 512", "read 512"], _disk.Log);
    }

    [Fact]
    public async Task A_read_outside_the_disk_fails_whatever_the_host_has_in_memory()
    {
        _disk.IsInMemory = true;
        Submit(In, 64);
        await Collect(1);
        Assert.Equal(1, _rig.Memory.Bytes[(int)StatusAddress]);
        Assert.Empty(_disk.Log);
    }

    [Fact]
    public async Task A_flush_comes_after_the_writes_before_it()
    {
        Submit(Out, 1);
        Submit(Out, 2);
        Submit(Flush, 0);
        Submit(Out, 3);
        await Collect(4);
        Assert.Equal(["write 512", "write 1024", "flush", "write 1536"], _disk.Log);
    }

    [Fact]
    public async Task A_reset_in_the_middle_of_requests_gives_them_up_and_touches_no_memory_afterwards()
    {
        _disk.Gate.Reset();
        for (var i = 0; i < 5; i++)
            Submit(In, (ulong)i);
        Assert.True(await _disk.Entered.WaitAsync(Limit));
        var reset = Task.Run(() => _rig.Write(0x14, 1, 0));
        _disk.Gate.Set();
        await reset.WaitAsync(Limit);
        var memory = _rig.Memory.Bytes.ToArray();
        _device.Poll();
        Assert.Equal(memory, _rig.Memory.Bytes);
        // And the driver begins anew.
        Array.Clear(_rig.Memory.Bytes);
        _driver = _rig.Start();
        _requests = 0;
        Submit(In, 1);
        Assert.Equal([0], await Collect(1));
    }

    [Fact]
    public async Task Requests_under_way_are_saved_and_carried_out_after_the_restore()
    {
        _disk.Content.AsSpan(512, 512).Fill(9);
        Submit(In, 1);
        // Done on the host's side, but the guest has not been told.
        Assert.True(await _completed.WaitAsync(Limit));
        var state = _rig.Transport.SaveToBytes();
        Assert.Null(_driver.Take());

        using var completed = new SemaphoreSlim(0);
        using var otherDisk = new SlowImage(64 * 512);
        otherDisk.Content.AsSpan(512, 512).Fill(9);
        var (other, device) = NewRig(otherDisk, completed);
        _rig.Memory.Bytes.CopyTo(other.Memory.Bytes, 0);
        Array.Clear(other.Memory.Bytes, (int)Data, 512);
        other.Transport.LoadFrom(state);
        Assert.Equal(state, other.Transport.SaveToBytes());
        Assert.Equal(0, completed.CurrentCount);
        other.Clock.Advance(1);
        Assert.True(await completed.WaitAsync(Limit));
        device.Poll();
        Assert.Equal(9, other.Memory.Bytes[(int)Data]);
        Assert.Equal(1, BinaryPrimitives.ReadUInt16LittleEndian(other.Memory.Bytes.AsSpan((int)RingDriver.Device + 2)));
        other.Transport.Dispose();
    }

    [Fact]
    public async Task A_driver_that_makes_more_available_than_its_queue_holds_waits()
    {
        var (rig, device) = (_rig, _device);
        _driver = rig.Start(size: 256);
        _disk.Gate.Reset();
        for (var i = 0; i < 85; i++)
            Submit(In, 0);
        // The same heads once more, as no driver does: four times as many as there can be.
        for (ushort round = 1; round < 4; round++)
        {
            for (var i = 0; i < 85; i++)
            {
                var slot = (ulong)((85 * round + i) % 256);
                BinaryPrimitives.WriteUInt16LittleEndian(rig.Memory.Bytes.AsSpan((int)(RingDriver.Driver + 4 + slot * 2)), BinaryPrimitives.ReadUInt16LittleEndian(rig.Memory.Bytes.AsSpan((int)(RingDriver.Driver + 4))));
            }
            BinaryPrimitives.WriteUInt16LittleEndian(rig.Memory.Bytes.AsSpan((int)RingDriver.Driver + 2), (ushort)(85 * (round + 1)));
            rig.Notify();
        }
        _disk.Gate.Set();
        while (BinaryPrimitives.ReadUInt16LittleEndian(rig.Memory.Bytes.AsSpan((int)RingDriver.Device + 2)) < 340)
        {
            Assert.True(await _completed.WaitAsync(Limit));
            device.Poll();
        }
    }

    private static (VirtioPciRig Rig, VirtioBlk Device) NewRig(SlowImage disk, SemaphoreSlim completed)
    {
        VirtioBlk? device = null;
        var rig = new VirtioPciRig((memory, clock) =>
        {
            var worker = new BlockWorker("test");
            worker.Connect(() => completed.Release());
            return device = new VirtioBlk(memory, clock, disk, "", worker);
        });
        return (rig, device!);
    }

    // Each in its own place; the place's number comes back in the order of completion.
    private void Submit(uint type, ulong sector)
    {
        var place = (ulong)_requests++;
        var header = _rig.Memory.Bytes.AsSpan((int)(Header + place * 16), 16);
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], sector);
        List<Offer> chain = [new(Header + place * 16, 16, false)];
        if (type != Flush)
            chain.Add(new(Data + place % 64 * 512, 512, type == In));
        chain.Add(new(StatusAddress + place, 1, true));
        var head = _driver.Add(chain);
        Assert.True(head >= 0);
        _places[(ushort)head] = (int)place;
        _rig.Notify();
    }

    private async Task<List<int>> Collect(int count)
    {
        var done = new List<int>();
        while (done.Count < count)
        {
            _device.Poll();
            while (_driver.Take() is { } returned)
                done.Add(_places[returned.Id]);
            if (done.Count < count)
                Assert.True(await _completed.WaitAsync(Limit));
        }
        return done;
    }

    /// <summary>A disk that waits at its gate before each request.</summary>
    private sealed class SlowImage(int bytes) : IBlockImage
    {
        public byte[] Content { get; } = new byte[bytes];

        public ManualResetEventSlim Gate { get; } = new(true);

        public SemaphoreSlim Entered { get; } = new(0);

        public List<string> Log { get; } = [];

        public long Bytes => bytes;

        public bool IsReadOnly => false;

        public bool TryRead(long offset, Span<byte> destination)
        {
            Enter($"read {offset}");
            Content.AsSpan((int)offset, destination.Length).CopyTo(destination);
            return true;
        }

        /// <summary>Reads need not wait for the gate.</summary>
        public bool IsInMemory { get; set; }

        public bool TryReadNow(long offset, Span<byte> destination)
        {
            if (!IsInMemory)
                return false;
            Log.Add($"read now {offset}");
            Content.AsSpan((int)offset, destination.Length).CopyTo(destination);
            return true;
        }

        public bool TryWrite(long offset, ReadOnlySpan<byte> source)
        {
            Enter($"write {offset}");
            source.CopyTo(Content.AsSpan((int)offset));
            return true;
        }

        public bool TryFlush()
        {
            Enter("flush");
            return true;
        }

        public bool TryDiscard(long offset, long length) => true;

        public bool TryWriteZeroes(long offset, long length, bool mayUnmap) => true;

        public void Dispose() { }

        private void Enter(string what)
        {
            Entered.Release();
            Assert.True(Gate.Wait(Limit));
            Log.Add(what);
        }
    }
}
