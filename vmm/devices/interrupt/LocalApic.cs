using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.State;
using R = Gauntlet.Vmm.Devices.Interrupt.LocalApicRegisters;

namespace Gauntlet.Vmm.Devices.Interrupt;

/// <summary>
/// Local advanced programmable interrupt controller of one vCPU, as xAPIC and x2APIC (SDM Vol. 3A, chapter 11).
/// </summary>
/// <remarks>
/// Choices where the manual leaves one: the xAPIC ID cannot be written (11.4.6: model specific); six LVT entries and CMCI; no suppression of EOI
/// broadcasts; lowest-priority arbitration by processor priority, then by index. Everything that changes state takes the machine's device lock,
/// so that the vCPU's thread may call without it; <see cref="HasInterrupt"/> is one read.
/// </remarks>
public sealed class LocalApic : IMmioDevice, ICpuLocalMmio, ILocalApic, IResettable, ISaveable
{
    public const ulong DefaultAddress = 0xfee00000;

    /// <summary>Integrated APIC, LVT entries 0 to 5.</summary>
    public const uint VersionValue = 0x00050014;

    private const ulong BaseBsp = 1 << 8, BaseX2Apic = 1 << 10, BaseEnable = 1 << 11;

    // A physical address width of 40 bits, as the CPU models have.
    private const ulong BaseAddressMask = 0xff_ffff_f000;

    private const uint SvrEnable = 0x100, SvrWritable = 0x3ff;
    private const uint LvtMasked = 1 << 16, LvtLevel = 1 << 15, LvtRemoteIrr = 1 << 14, LvtDeliveryStatus = 1 << 12;
    private const uint EsrSendIllegalVector = 1 << 5, EsrReceiveIllegalVector = 1 << 6, EsrIllegalRegister = 1 << 7;
    private const uint FirstMsr = 0x800, LastMsr = 0x8ff, TscDeadlineMsr = 0x6e0;

    private static ReadOnlySpan<uint> LvtWritableBits =>
    [
        0x000700ff, // timer: mode, mask, vector
        0x000107ff, // thermal
        0x000107ff, // performance counters
        0x0001a7ff, // LINT0: mask, trigger, polarity, mode, vector
        0x0001a7ff, // LINT1
        0x000100ff, // error
    ];

    private readonly ApicBus _bus;
    private readonly Lock _deviceLock;
    private readonly I8259? _pic;
    private readonly LocalApicTimer _timer;
    private readonly uint _id;
    private readonly uint[] _lvt = new uint[6];
    private IVcpuSignals? _vcpu;
    private VectorSet _irr, _isr, _tmr;
    private uint _tpr, _ldr, _dfr, _svr, _esr, _pendingErrors, _icrLow, _icrHigh, _cmci;
    private ulong _base;
    private bool _intr;
    private volatile bool _hasInterrupt;

    /// <summary>Attaches itself to the bus.</summary>
    /// <param name="index">The vCPU's, and so the APIC ID.</param>
    /// <param name="pic">Acknowledges ExtINT; null where there is none.</param>
    public LocalApic(int index, ApicBus bus, IClock clock, Lock deviceLock, I8259? pic)
    {
        _id = (uint)index;
        _bus = bus;
        _deviceLock = deviceLock;
        _pic = pic;
        _timer = new LocalApicTimer(clock, () => TriggerLvt(0));
        Intr = new Lint0(this);
        bus.Attach(this);
        Reset();
    }

    public string Name => "apic";

    public IReadOnlyList<RegisterMap> Regions { get; } = [new("apic", AddressSpace.Mmio, 0x1000, R.All)];

    public int StateVersion => 1;

    /// <summary>LINT0, where the PIC's INTR is wired.</summary>
    public IIrqLine Intr { get; }

    /// <summary>SVR bit 8.</summary>
    public bool IsSoftwareEnabled => (_base & BaseEnable) != 0 && (_svr & SvrEnable) != 0;

    /// <summary>PPR (11.8.3.1).</summary>
    public uint ProcessorPriority
    {
        get
        {
            var service = Math.Max(_isr.Highest(), 0);
            return (_tpr >> 4) >= (uint)service >> 4 ? _tpr : (uint)service & 0xf0;
        }
    }

    public bool HasInterrupt => _hasInterrupt;

    public ulong BaseMsr => Volatile.Read(ref _base);

    public byte Cr8
    {
        get => (byte)(_tpr >> 4);
        set
        {
            lock (_deviceLock)
            {
                _tpr = (uint)(value & 0xf) << 4;
                Update();
            }
        }
    }

    private bool IsX2Apic => (_base & (BaseEnable | BaseX2Apic)) == (BaseEnable | BaseX2Apic);

    public void Connect(IVcpuSignals vcpu) => _vcpu = vcpu;

    public int Acknowledge()
    {
        lock (_deviceLock)
        {
            var vector = _irr.Highest();
            if ((_base & BaseEnable) != 0 && vector >= 0 && (uint)vector >> 4 > ProcessorPriority >> 4)
            {
                _irr.Clear((byte)vector);
                _isr.Set((byte)vector);
                Update();
                return vector;
            }
            if (!ExtIntPending || _pic is null)
                return -1;
            vector = _pic.Acknowledge();
            Update();
            return vector;
        }
    }

    public bool TryWriteBaseMsr(ulong value)
    {
        lock (_deviceLock)
        {
            if ((value & ~(BaseAddressMask | BaseEnable | BaseX2Apic | BaseBsp)) != 0)
                return false;
            // The states and the ways between them: 11.12.5, figure 11-27.
            var (from, to) = (_base & (BaseEnable | BaseX2Apic), value & (BaseEnable | BaseX2Apic));
            var invalid = to == BaseX2Apic
                || (from == (BaseEnable | BaseX2Apic) && to == BaseEnable)
                || (from == 0 && to == (BaseEnable | BaseX2Apic));
            if (invalid)
                return false;
            Volatile.Write(ref _base, (value & ~BaseBsp) | (_base & BaseBsp));
            if (to == 0 && from != 0)
                ResetRegisters();
            if (to == (BaseEnable | BaseX2Apic) && from != to)
                (_ldr, _icrHigh) = (0, 0);
            Update();
            return true;
        }
    }

    /// <summary>True when a message is meant for this APIC.</summary>
    public bool Matches(in ApicMessage message)
    {
        if ((_base & BaseEnable) == 0)
            return false;
        if (message.IsBroadcast)
            return true;
        if (!message.Logical)
            return message.Destination == _id;
        if (IsX2Apic)
        {
            var logicalId = X2LogicalId;
            return (logicalId & 0xffff0000) == (message.Destination & 0xffff0000) && (logicalId & message.Destination & 0xffff) != 0;
        }
        var (logical, destination) = ((byte)(_ldr >> 24), (byte)message.Destination);
        // 11.6.2.2: flat when DFR's model is all ones, else cluster in the upper, members in the lower four bits.
        if (_dfr >> 28 == 0xf)
            return (logical & destination) != 0;
        return logical >> 4 == destination >> 4 && (logical & destination & 0xf) != 0;
    }

    /// <summary>Takes a message that <see cref="Matches"/>.</summary>
    public void Accept(DeliveryMode mode, byte vector, bool levelTriggered)
    {
        switch (mode)
        {
            case DeliveryMode.Fixed or DeliveryMode.LowestPriority:
                AcceptFixed(vector, levelTriggered);
                break;
            case DeliveryMode.Nmi:
                _vcpu?.SignalNmi();
                break;
            case DeliveryMode.Init:
                ResetRegisters();
                Update();
                _vcpu?.SignalInit();
                break;
            case DeliveryMode.StartUp:
                _vcpu?.SignalStartUp(vector);
                break;
            default:
                // SMI: there is no SMM. ExtINT messages: the PIC's INTR arrives by LINT0.
                break;
        }
    }

    public bool TryRead(ulong address, int size, out ulong value)
    {
        value = 0;
        if (!IsMine(address))
            return false;
        value = ReadMmio(0, address & 0xfff, size);
        return true;
    }

    public bool TryWrite(ulong address, int size, ulong value)
    {
        if (!IsMine(address))
            return false;
        WriteMmio(0, address & 0xfff, size, value);
        return true;
    }

    // 11.4.1.2: registers are read as a whole; what a narrower read gives is undefined, here it is the bytes asked for.
    public ulong ReadMmio(int region, ulong offset, int size)
    {
        var within = (int)(offset & 0xf);
        if (within >= 4)
            return 0;
        var word = Read((uint)offset & 0xff0, x2Apic: false, out var exists);
        if (!exists)
            NoteError(EsrIllegalRegister);
        return (word >> (within * 8)) & (ulong.MaxValue >> (64 - size * 8));
    }

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        if ((offset & 0xf) != 0 || size < 4)
            return;
        if (offset == R.IcrHigh)
            _icrHigh = (uint)value & 0xff000000;
        else if (offset == R.SelfIpi || !Write((uint)offset, (uint)value))
            NoteError(EsrIllegalRegister);
    }

    public bool TryReadMsr(uint msr, out ulong value)
    {
        lock (_deviceLock)
        {
            value = 0;
            if (msr == TscDeadlineMsr)
            {
                value = _timer.Deadline;
                return true;
            }
            if (!IsX2Apic || msr is < FirstMsr or > LastMsr)
                return false;
            var offset = (msr - FirstMsr) << 4;
            // Not in x2APIC mode, or only to be written (table 11-6); no CMCI with the five LVT entries that the version tells of.
            if (offset is R.Cmci or R.Dfr or R.IcrHigh or R.Eoi or R.SelfIpi or R.Apr or R.Rrd)
                return false;
            value = Read(offset, x2Apic: true, out var exists);
            return exists;
        }
    }

    public bool TryWriteMsr(uint msr, ulong value)
    {
        lock (_deviceLock)
        {
            if (msr == TscDeadlineMsr)
            {
                _timer.WriteDeadline(value);
                return true;
            }
            if (!IsX2Apic || msr is < FirstMsr or > LastMsr)
                return false;
            var offset = (msr - FirstMsr) << 4;
            switch (offset)
            {
                case R.IcrLow:
                    if ((value & 0xfff3_2000) != 0)
                        return false;
                    (_icrLow, _icrHigh) = ((uint)value, (uint)(value >> 32));
                    SendIpi(wide: true);
                    return true;
                case R.SelfIpi:
                    if (value > 0xff)
                        return false;
                    AcceptFixed((byte)value, levelTriggered: false);
                    return true;
                case R.Eoi or R.Esr when value != 0:
                case R.Id or R.Ldr or R.Dfr or R.IcrHigh or R.Cmci:
                    return false;
                default:
                    return (value & ~X2WritableBits(offset)) == 0 && Write(offset, (uint)value);
            }
        }
    }

    public void Send(uint destination, uint command)
    {
        lock (_deviceLock)
        {
            var kept = (_icrLow, _icrHigh);
            (_icrLow, _icrHigh) = (command, destination);
            SendIpi(wide: true);
            (_icrLow, _icrHigh) = kept;
        }
    }

    public void Reset()
    {
        _base = DefaultAddress | BaseEnable | (_id == 0 ? BaseBsp : 0);
        ResetRegisters();
        Update();
    }

    /// <summary>
    /// Virtual wire mode (MultiProcessor Specification 1.4, 3.6.2.2), as firmware leaves the bootstrap processor: enabled, LINT0 takes the PIC's interrupts,
    /// LINT1 NMI.
    /// </summary>
    public void EnterVirtualWireMode()
    {
        _svr |= SvrEnable;
        _lvt[3] = LvtLevel | (uint)DeliveryMode.ExtInt << 8;
        _lvt[4] = LvtLevel | (uint)DeliveryMode.Nmi << 8;
        Update();
    }

    public void Save(StateWriter writer)
    {
        writer.UInt64(_base);
        foreach (var value in (ReadOnlySpan<uint>)[_tpr, _ldr, _dfr, _svr, _esr, _pendingErrors, _icrLow, _icrHigh, _cmci])
            writer.UInt32(value);
        foreach (var entry in _lvt)
            writer.UInt32(entry);
        _irr.Save(writer);
        _isr.Save(writer);
        _tmr.Save(writer);
        writer.Bool(_intr);
        _timer.Save(writer);
    }

    public void Load(ref StateReader reader)
    {
        _base = reader.UInt64() & (BaseAddressMask | BaseEnable | BaseX2Apic | BaseBsp);
        (_tpr, _ldr, _dfr) = (reader.UInt32() & 0xff, reader.UInt32() & 0xff000000, reader.UInt32() | 0x0fffffff);
        (_svr, _esr, _pendingErrors) = (reader.UInt32() & SvrWritable, reader.UInt32() & 0xff, reader.UInt32() & 0xff);
        (_icrLow, _icrHigh, _cmci) = (reader.UInt32(), reader.UInt32(), reader.UInt32() & 0x107ff);
        for (var i = 0; i < _lvt.Length; i++)
            _lvt[i] = reader.UInt32() & (LvtWritableBits[i] | LvtRemoteIrr);
        _irr.Load(ref reader);
        _isr.Load(ref reader);
        _tmr.Load(ref reader);
        _intr = reader.Bool();
        _timer.Load(ref reader);
        Update();
    }

    private uint X2LogicalId => (_id >> 4) << 16 | 1u << (int)(_id & 0xf);

    private bool ExtIntPending => _intr && ((_base & BaseEnable) == 0
        || ((_lvt[3] & LvtMasked) == 0 && (DeliveryMode)(_lvt[3] >> 8 & 7) == DeliveryMode.ExtInt));

    private bool IsMine(ulong address) =>
        (_base & (BaseEnable | BaseX2Apic)) == BaseEnable && (address & ~0xfffUL) == (_base & BaseAddressMask);

    private static ulong X2WritableBits(uint offset) => offset switch
    {
        R.Tpr => 0xff,
        R.Svr => SvrWritable,
        R.Eoi or R.Esr => 0,
        R.TimerInitialCount => uint.MaxValue,
        R.TimerDivide => 0xb,
        R.Cmci => 0x107ff,
        >= R.LvtTimer and <= R.LvtError => LvtWritableBits[(int)(offset - R.LvtTimer) >> 4] | LvtDeliveryStatus | LvtRemoteIrr,
        _ => 0,
    };

    private uint Read(uint offset, bool x2Apic, out bool exists)
    {
        exists = true;
        switch (offset)
        {
            case R.Id:
                return x2Apic ? _id : _id << 24;
            case R.Version:
                return VersionValue;
            case R.Tpr:
                return _tpr;
            case R.Ppr:
                return ProcessorPriority;
            case R.Apr or R.Rrd or R.Eoi:
                return 0;
            case R.Ldr:
                return x2Apic ? X2LogicalId : _ldr;
            case R.Dfr:
                return _dfr;
            case R.Svr:
                return _svr;
            case >= R.Isr and < R.Isr + 0x80:
                return _isr[(int)(offset - R.Isr) >> 4];
            case >= R.Tmr and < R.Tmr + 0x80:
                return _tmr[(int)(offset - R.Tmr) >> 4];
            case >= R.Irr and < R.Irr + 0x80:
                return _irr[(int)(offset - R.Irr) >> 4];
            case R.Esr:
                return _esr;
            case R.Cmci:
                return _cmci;
            case R.IcrLow:
                return _icrLow;
            case R.IcrHigh:
                return _icrHigh;
            case >= R.LvtTimer and <= R.LvtError:
                return _lvt[(offset - R.LvtTimer) >> 4];
            case R.TimerInitialCount:
                return _timer.InitialCount;
            case R.TimerCurrentCount:
                return _timer.CurrentCount;
            case R.TimerDivide:
                return _timer.DivideRegister;
            default:
                exists = false;
                return 0;
        }
    }

    // False when there is nothing to be written at this offset.
    private bool Write(uint offset, uint value)
    {
        switch (offset)
        {
            case R.Id or R.Version or R.Ppr or R.Apr or R.Rrd or R.TimerCurrentCount:
            case >= R.Isr and < R.Isr + 0x80 or >= R.Tmr and < R.Tmr + 0x80 or >= R.Irr and < R.Irr + 0x80:
                // Read only: a write has no effect in xAPIC mode, and is #GP in x2APIC mode.
                return !IsX2Apic;
            case R.Tpr:
                _tpr = value & 0xff;
                break;
            case R.Eoi:
                EndOfInterrupt();
                break;
            case R.Ldr:
                _ldr = value & 0xff000000;
                break;
            case R.Dfr:
                _dfr = value | 0x0fffffff;
                break;
            case R.Svr:
                WriteSvr(value & SvrWritable);
                break;
            case R.Esr:
                (_esr, _pendingErrors) = (_pendingErrors, 0);
                break;
            case R.Cmci:
                _cmci = value & 0x107ff;
                break;
            case R.IcrLow:
                _icrLow = value & 0x000ccfff;
                SendIpi(wide: false);
                break;
            case >= R.LvtTimer and <= R.LvtError:
                WriteLvt((int)(offset - R.LvtTimer) >> 4, value);
                break;
            case R.TimerInitialCount:
                _timer.WriteInitialCount(value);
                break;
            case R.TimerDivide:
                _timer.WriteDivide(value);
                break;
            default:
                return false;
        }
        Update();
        return true;
    }

    // 11.4.7.2: a disabled APIC's LVT entries are all masked, and stay so.
    private void WriteSvr(uint value)
    {
        _svr = value;
        if ((value & SvrEnable) != 0)
            return;
        foreach (ref var entry in _lvt.AsSpan())
            entry |= LvtMasked;
        _cmci |= LvtMasked;
    }

    private void WriteLvt(int index, uint value)
    {
        value &= LvtWritableBits[index];
        if ((_svr & SvrEnable) == 0)
            value |= LvtMasked;
        // Remote IRR is the APIC's own, and means something for a level only.
        if ((value & LvtLevel) != 0)
            value |= _lvt[index] & LvtRemoteIrr;
        _lvt[index] = value;
        if (index == 0)
            _timer.SetMode(Math.Min(value >> 17 & 3, LocalApicTimer.TscDeadline));
    }

    private void EndOfInterrupt()
    {
        var vector = _isr.Highest();
        if (vector < 0)
            return;
        _isr.Clear((byte)vector);
        if (!_tmr.Contains((byte)vector))
            return;
        _bus.BroadcastEoi((byte)vector);
        foreach (ref var entry in _lvt.AsSpan(3, 2))
        {
            if ((entry & LvtRemoteIrr) != 0 && (byte)entry == vector)
                entry &= ~LvtRemoteIrr;
        }
        if (_intr)
            TriggerLint0();
    }

    private void SendIpi(bool wide)
    {
        var mode = (DeliveryMode)(_icrLow >> 8 & 7);
        var vector = (byte)_icrLow;
        var level = (_icrLow & 0x8000) != 0;
        // INIT level de-assert (11.6.1): only synchronized arbitration IDs, on processors long gone.
        if (mode == DeliveryMode.Init && level && (_icrLow & 0x4000) == 0)
            return;
        if (mode is DeliveryMode.Fixed or DeliveryMode.LowestPriority && vector < 16)
        {
            NoteError(EsrSendIllegalVector);
            return;
        }
        var destination = wide ? _icrHigh : _icrHigh >> 24;
        var everyone = new ApicMessage(uint.MaxValue, false, mode, vector, false, Wide: true);
        switch (_icrLow >> 18 & 3)
        {
            case 0:
                _bus.Deliver(new ApicMessage(destination, (_icrLow & 0x800) != 0, mode, vector, false, wide));
                break;
            case 1:
                // 11.6.1: only a fixed interrupt may be sent to oneself.
                if (mode is DeliveryMode.Fixed)
                    AcceptFixed(vector, levelTriggered: false);
                break;
            case 2:
                _bus.Deliver(in everyone);
                break;
            default:
                _bus.Deliver(in everyone, except: this);
                break;
        }
    }

    private void AcceptFixed(byte vector, bool levelTriggered)
    {
        if (vector < 16)
        {
            NoteError(EsrReceiveIllegalVector);
            return;
        }
        if (!IsSoftwareEnabled)
            return;
        _irr.Set(vector);
        if (levelTriggered)
            _tmr.Set(vector);
        else
            _tmr.Clear(vector);
        Update();
    }

    private void TriggerLvt(int index)
    {
        var entry = _lvt[index];
        if ((entry & LvtMasked) != 0)
            return;
        // The timer's and the error's entries have no delivery mode: bits 8 to 10 are reserved there.
        switch (index is 0 or 5 ? DeliveryMode.Fixed : (DeliveryMode)(entry >> 8 & 7))
        {
            case DeliveryMode.Fixed:
                var level = index == 3 && (entry & LvtLevel) != 0;
                if (level)
                    _lvt[index] |= LvtRemoteIrr;
                AcceptFixed((byte)entry, level);
                break;
            case DeliveryMode.Nmi:
                _vcpu?.SignalNmi();
                break;
            default:
                break;
        }
    }

    private void TriggerLint0()
    {
        if ((_lvt[3] & (LvtLevel | LvtRemoteIrr)) == LvtLevel || (_lvt[3] & LvtLevel) == 0)
            TriggerLvt(3);
    }

    private void SetIntr(bool level)
    {
        var rising = level && !_intr;
        _intr = level;
        if (rising && (_base & BaseEnable) != 0)
            TriggerLint0();
        Update();
    }

    private void NoteError(uint error)
    {
        var isNew = (_pendingErrors & error) == 0;
        _pendingErrors |= error;
        if (isNew)
            TriggerLvt(5);
    }

    private void Update()
    {
        var highest = _irr.Highest();
        var has = ((_base & BaseEnable) != 0 && highest >= 0 && (uint)highest >> 4 > ProcessorPriority >> 4) || ExtIntPending;
        _hasInterrupt = has;
        if (has)
            _vcpu?.SignalInterrupt();
    }

    // 11.4.7.1, and 11.4.7.3 for INIT: the ID and IA32_APIC_BASE stay.
    private void ResetRegisters()
    {
        (_irr, _isr, _tmr) = (default, default, default);
        (_tpr, _ldr, _esr, _pendingErrors, _icrLow, _icrHigh) = (0, 0, 0, 0, 0, 0);
        (_dfr, _svr, _cmci) = (uint.MaxValue, 0xff, LvtMasked);
        _lvt.AsSpan().Fill(LvtMasked);
        _timer.Reset();
    }

    private sealed class Lint0(LocalApic apic) : IIrqLine
    {
        public void Set(bool level) => apic.SetIntr(level);
    }
}
