/*
 * Device registers: one access each, of the width that the name says. Written as plain loads and stores without write-back, which a hypervisor can decode from what the
 * processor tells it (Arm ARM, ESR_EL2.ISS for a data abort).
 */
#pragma once

#include "types.h"

static inline u32 mmio_read32(u64 address)
{
	u32 value;

#if defined(__aarch64__)
	asm volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
#elif defined(__riscv)
	asm volatile("lw %0, 0(%1)" : "=r"(value) : "r"(address) : "memory");
#else
	value = *(volatile u32 *)address;
#endif
	return value;
}

static inline void mmio_write32(u64 address, u32 value)
{
#if defined(__aarch64__)
	asm volatile("str %w0, [%1]" : : "r"(value), "r"(address) : "memory");
#elif defined(__riscv)
	asm volatile("sw %0, 0(%1)" : : "r"(value), "r"(address) : "memory");
#else
	*(volatile u32 *)address = value;
#endif
}

static inline u8 mmio_read8(u64 address)
{
	u32 value;

#if defined(__aarch64__)
	asm volatile("ldrb %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
#elif defined(__riscv)
	asm volatile("lbu %0, 0(%1)" : "=r"(value) : "r"(address) : "memory");
#else
	value = *(volatile u8 *)address;
#endif
	return (u8)value;
}

static inline void mmio_write8(u64 address, u8 value)
{
#if defined(__aarch64__)
	asm volatile("strb %w0, [%1]" : : "r"((u32)value), "r"(address) : "memory");
#elif defined(__riscv)
	asm volatile("sb %0, 0(%1)" : : "r"((u32)value), "r"(address) : "memory");
#else
	*(volatile u8 *)address = value;
#endif
}
